"""The tables of lifetime value: occasions and summaries by hand, CDNOW through all tables, shops that allow no fit."""

from __future__ import annotations

import json
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxa_pipeline.models.tables import lifetime_fits, lifetime_plots
from cxa_pipeline.models.tables.lifetime_frames import used
from tests.independent import shop
from tests.independent.lifetimes import cdnow_days, drawn
from tests.independent.shop import sale
from tests.independent.tables import OnEngine, Row, Rows, project
from tests.integration.customer_shop import AS_OF, build, by, days_ago, failing, one, orders, own
from tests.integration.test_models_identities import broken, changed

NAMES = (
    "lifetime_occasions",
    "purchase_summary",
    "lifetime_days",
    "lifetime_models",
    "lifetime_value",
    "value_totals",
    "value_grid",
    "lifetime_evaluation",
    "lifetime_buckets",
    "lifetime_tracking",
)
TABLES = tuple(f"customer.{name}" for name in NAMES)
IDENTITIES = ("lifetime_customers_add_up", "lifetime_values_add_up")
D = Decimal


def new(folder: Path) -> Path:
    folder.mkdir()
    return folder


# --- occasions and summaries --------------------------------------------------------------------------------------


def test_an_occasion_is_a_day_with_orders_whatever_came_back(tmp_path: Path) -> None:
    lines = [
        sale("a1", days_ago(50), 1, "10", customer="a"),
        sale("a2", f"{AS_OF - timedelta(days=50)} 18:00", 2, "4", customer="a"),
        sale("b1", days_ago(40), 1, "0", customer="a"),
        sale("c1", days_ago(30), -1, "10", customer="a", order="R"),
        sale("e1", days_ago(10), 1, "30", customer="a"),
        sale("e2", days_ago(9), -1, "30", customer="a", order="R2", original_sale_id="e1"),
        sale("g", days_ago(5), 1, "30"),
    ]
    found = one(tmp_path, "customer.lifetime_occasions", lines)
    assert sorted((row["occasion_number"], row["orders"], row["occasion_value"]) for row in found) == [
        (1, 2, 18),
        (2, 1, 0),
        (3, 1, 30),
    ]
    assert {row["first_occasion_date"] for row in found} == {AS_OF - timedelta(days=50)}


def test_a_summary_counts_repeats_days_and_money(tmp_path: Path) -> None:
    lines = [
        *orders("a", 300, price="100"),
        *(sale(f"a{d}", days_ago(d), 1, f"{d}", customer="a") for d in (200, 150, 40)),
        sale("r", days_ago(30), -1, "40", customer="a", order="R"),
        *orders("late", 60),
        *orders("new", 0),
    ]
    found = by(one(tmp_path, "customer.purchase_summary", lines), "observation", "customer_id")
    assert sorted(found) == [("all", "a"), ("all", "late"), ("all", "new"), ("calibration", "a")]
    names = ("occasions", "repeat_occasions", "days_to_last_occasion", "days_observed", "mean_repeat_value")
    assert [found["all", "a"][n] for n in names] == [4, 3, 260, 300, 130.0]
    assert [found["all", "a"][n] for n in ("first_value", "historic_value", "holdout_days")] == [100, 450, 0]
    # 90 days are more than a quarter of 300, so that the order 40 days ago is held out.
    assert [found["calibration", "a"][n] for n in names] == [3, 2, 150, 210, 175.0]
    held = ("holdout_days", "holdout_occasions", "holdout_value", "historic_value")
    assert [found["calibration", "a"][n] for n in held] == [90, 1, 40, 450]
    assert [found["all", "new"][n] for n in names] == [1, 0, 0, 0, None]


@pytest.mark.parametrize(("days", "held"), [(363, 90), (364, 91), (1000, 250)])
def test_a_quarter_of_the_days_is_held_out_and_ninety_at_least(tmp_path: Path, days: int, held: int) -> None:
    found = one(tmp_path, "customer.purchase_summary", [*orders("a", days), *orders("b", 1)])
    assert {row["holdout_days"] for row in found if row["observation"] == "calibration"} == {held}


def test_the_hold_out_is_a_matter_of_settings(tmp_path: Path) -> None:
    changes = {"lifetime_holdout_days": 20, "lifetime_holdout_share": D("0.1")}
    found = one(tmp_path, "customer.purchase_summary", orders("a", 300, 25), **changes)
    assert [row["holdout_days"] for row in found if row["observation"] == "calibration"] == [30]


def test_days_count_customers_whom_the_calibration_knows(tmp_path: Path) -> None:
    lines = [*orders("a", 300, 200, 10), *orders("b", 200), *orders("late", 20, 10)]
    found = by(one(tmp_path, "customer.lifetime_days", lines), "occasion_date")
    counted = {(AS_OF - day).days: (row["first_occasions"], row["repeat_occasions"]) for day, row in found.items()}
    assert counted == {300: (1, 0), 200: (1, 1), 10: (0, 1)}
    assert {row["calibration_end_date"] for row in found.values()} == {AS_OF - timedelta(days=90)}


# --- CDNOW through all tables -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    days = cdnow_days()
    lines = [
        sale(f"s{n}", f"{row.day:%Y-%m-%d} 12:00", 1, f"{row.value:.2f}", customer=f"c{row.customer:05}")
        for n, row in enumerate(days.itertuples())
    ]
    changes = {"as_of_date": date(1998, 6, 30), "lifetime_holdout_days": 273, "lifetime_max_idle_days": 60}
    return build(tmp_path_factory.mktemp("cdnow"), {"sales": lines}, *TABLES, **changes)


def test_cdnow_is_fitted_as_by_fader_hardie_and_lee(cdnow: OnEngine) -> None:
    found = by(cdnow.rows("customer.lifetime_models"), "observation", "model")
    orders_model, spend = found["calibration", "bgnbd"], found["calibration", "gamma_gamma"]
    assert [orders_model[n] for n in ("model_status", "is_used", "customers", "penalty")] == ["fitted", True, 2357, 0]
    assert [orders_model[n] for n in ("r", "a", "b")] == pytest.approx([0.2426, 0.7929, 2.4259], abs=0.0001)
    assert orders_model["alpha"] / 7 == pytest.approx(4.4136, abs=0.0002)
    # The likelihood of times in weeks is that of days, times 7 for each repeat order.
    assert orders_model["log_likelihood"] + 2457 * np.log(7) == pytest.approx(-9582.43, abs=0.01)
    assert [spend[n] for n in ("p", "q", "v")] == pytest.approx([6.25, 3.74, 15.45], rel=0.002)
    assert [spend[n] for n in ("customers", "spend_spearman", "spend_depends_on_frequency")] == [
        946,
        pytest.approx(0.206, abs=0.0005),
        False,
    ]
    covariance = np.array(json.loads(orders_model["covariance"]))
    errors = [orders_model[f"{n}_standard_error"] for n in ("r", "alpha", "a", "b")]
    assert np.sqrt(np.diag(covariance)) == pytest.approx(errors, rel=1e-9)


def test_cdnow_is_evaluated_on_what_came(cdnow: OnEngine) -> None:
    found = by(cdnow.rows("customer.lifetime_evaluation"), "model")
    used = found["bgnbd"]
    assert [used[n] for n in ("is_served", "customers", "holdout_days", "orders_actual")] == [True, 2357, 273, 1882]
    assert used["orders_expected"] == pytest.approx(1653.42, abs=0.02)
    assert used["orders_bias"] == pytest.approx(1653.42 / 1882 - 1, abs=1e-4)
    for baseline in ("same_as_before", "as_everybody"):
        assert used["orders_mae"] < found[baseline]["orders_mae"]
        assert found[baseline]["is_baseline"]
    buckets = cdnow.rows("customer.lifetime_buckets")
    assert sum(row["actual_orders"] for row in buckets) == 1882
    assert sum(row["expected_orders"] for row in buckets) == pytest.approx(1653.42, abs=0.02)
    assert by(buckets, "calibration_repeats")[0]["customers"] == 1411


def test_cdnow_is_tracked_week_by_week(cdnow: OnEngine) -> None:
    weeks = sorted(cdnow.rows("customer.lifetime_tracking"), key=lambda row: row["week_end_date"])
    assert len(weeks) == 78
    assert [weeks[n]["week_end_date"] for n in (0, 38, 77)] == [date(1997, 1, 7), date(1997, 9, 30), date(1998, 6, 30)]
    assert [weeks[n]["is_holdout"] for n in (38, 39)] == [False, True]
    assert (weeks[38]["cumulative_actual"], weeks[77]["cumulative_actual"]) == (2457, 2457 + 1882)
    assert weeks[77]["tracking_error"] == pytest.approx(-0.04, abs=0.006)
    assert sum(row["repeat_orders_actual"] for row in weeks) == 2457 + 1882


def test_cdnow_values_hold_their_rules_and_add_up(cdnow: OnEngine) -> None:
    warned = {"customer.lifetime_evaluation": []}
    for table in TABLES:
        assert failing(cdnow, table) == warned.get(table, []), table
    assert {i: broken(cdnow, i) for i in IDENTITIES} == {i: {} for i in IDENTITIES}
    values = cdnow.rows("customer.lifetime_value")
    # With the hold-out the MBG/NBD is clearly more likely.
    assert (len(values), {row["method"] for row in values}) == (2357, {"mbgnbd"})
    assert sum(row["historic_value"] for row in values) == D("244091.94")
    total = by(cdnow.rows("customer.value_totals"), "segment")["All customers"]
    assert total["clv_12m_low"] < total["clv_12m"] < total["clv_12m_high"]
    assert len(cdnow.rows("customer.value_grid")) == 36


def test_pictures_are_drawn_of_the_tables(cdnow: OnEngine) -> None:
    tracking = lifetime_plots.tracking(pd.DataFrame(cdnow.rows("customer.lifetime_tracking")))
    assert [line.get_label() for line in tracking.axes[0].get_lines()][:2] == ["actual", "expected"]
    buckets = lifetime_plots.buckets(pd.DataFrame(cdnow.rows("customer.lifetime_buckets")))
    assert len(buckets.axes[0].get_lines()[0].get_xdata()) == 8


def test_silence_weighs_most_for_who_ordered_often(cdnow: OnEngine) -> None:
    cells = by(cdnow.rows("customer.value_grid"), "recency_class", "orders_class")
    recent, silent = ("0-29", "6-9"), ("365+", "6-9")
    assert cells[recent]["mean_churn_risk_90d"] < 0.5
    assert cells[silent]["mean_churn_risk_90d"] > 0.95
    assert cells[silent]["mean_clv_12m"] < cells["365+", "2"]["mean_clv_12m"]


# --- tests that the audit finds what is wrong ----------------------------------------------------------------------


def test_a_wrong_value_is_found(cdnow: OnEngine) -> None:
    def edited(table: str, **columns: Any) -> list[str]:
        built = own(cdnow)
        changed(built, table, lambda rows: [{**row, **columns} if row.get("is_used", True) else row for row in rows])
        return failing(built, table)

    value, fits = "customer.lifetime_value", "customer.lifetime_models"
    assert edited(value, p_alive=1.5) == ["probabilities_are_probabilities"]
    assert edited(value, expected_orders_30d=99.0) == ["who_is_likely_to_return_is_expected"]
    assert edited(value, clv_12m_high=D(-1)) == ["values_are_in_order"]
    assert edited(fits, alpha=None) == ["parameters_are_those_of_the_model"]
    assert edited(fits, is_used=False) == ["one_model_of_orders_and_one_of_spend_is_used"]
    assert edited(fits, is_converged=False) == ["used_fits_have_converged"]


def test_lost_customers_are_found(cdnow: OnEngine) -> None:
    built = own(cdnow)
    changed(built, "customer.lifetime_value", lambda rows: rows[1:])
    assert "customers" in broken(built, "lifetime_customers_add_up")["customer.lifetime_value"]
    assert set(broken(built, "lifetime_values_add_up")) >= {"customer.value_grid", "customer.value_totals"}
    built = own(cdnow)
    changed(built, "customer.lifetime_days", lambda rows: [row for row in rows if row["repeat_occasions"] != 7])
    assert list(broken(built, "lifetime_values_add_up")) == ["customer.lifetime_tracking"]


# --- shops that allow no fit ---------------------------------------------------------------------------------------


def test_too_few_customers_are_predicted_by_their_rates(tmp_path: Path) -> None:
    lines = [*orders("a", 300, 200, 100, price="10"), *orders("b", 200, price="40"), *orders("c", 0, price="40")]
    built = build(tmp_path, {"sales": lines}, *TABLES)
    fits = by(built.rows("customer.lifetime_models"), "observation", "model")
    assert {fits["all", m]["model_status"] for m in ("bgnbd", "mbgnbd", "gamma_gamma")} == {"insufficient_data"}
    assert [model for (observation, model), row in fits.items() if row["is_used"] and observation == "all"] == [
        "empirical_orders",
        "shrunken_mean",
    ]
    found = by(built.rows("customer.lifetime_value"), "customer_id")
    assert {(row["method"], row["spend_method"], row["model_status"]) for row in found.values()} == {
        ("empirical", "shrunken_mean", "insufficient_data")
    }
    assert {row["p_alive"] for row in found.values()} == {None}
    rate = (2 + 1) / (300 + 200 + 0 + 365)
    for name, x, days in (("a", 2, 300), ("b", 0, 200), ("c", 0, 0)):
        expected = (x + 1) / (days + 1 / rate)
        assert found[name]["expected_orders_365d"] == pytest.approx(365 * expected)
    # The mean repeat order of all is 10; nobody else has one.
    assert [found[name]["expected_order_value"] for name in "abc"] == [10, 10, 10]
    assert [found[name]["historic_value"] for name in "abc"] == [30, 40, 40]
    assert {t: failing(built, t) for t in TABLES} == {t: [] for t in TABLES}
    assert {i: broken(built, i) for i in IDENTITIES} == {i: {} for i in IDENTITIES}


@pytest.mark.parametrize("name", ["nothing", "only returns", "only guests", "only visits", "today", "before the data"])
def test_shops_without_anything_to_predict_give_tables_that_hold(tmp_path: Path, name: str) -> None:
    shops: dict[str, tuple[dict[str, Rows], Row, int]] = {
        "nothing": ({}, {"as_of_date": None}, 0),
        "only returns": ({"sales": [sale("r", days_ago(3), -1, "5", customer="a", order="R")]}, {}, 0),
        "only guests": ({"sales": [sale("g", days_ago(3))]}, {}, 0),
        "only visits": ({"interactions": shop.interactions()}, {"as_of_date": None}, 0),
        "today": ({"sales": orders("a", 0, price="20")}, {}, 1),
        "before the data": ({"sales": orders("a", 3)}, {"as_of_date": date(2020, 1, 1)}, 0),
    }
    landed, changes, customers = shops[name]
    built = build(tmp_path, landed, *TABLES, **changes)
    assert len(built.rows("customer.lifetime_value")) == customers
    assert {t: failing(built, t) for t in TABLES} == {t: [] for t in TABLES}
    assert {i: broken(built, i) for i in IDENTITIES} == {i: {} for i in IDENTITIES}
    assert len(built.rows("customer.value_grid")) == 36


def test_an_awkward_shop_holds_its_rules(tmp_path: Path) -> None:
    loose = {"lifetime_min_customers": 1, "lifetime_min_days": 1, "lifetime_max_idle_days": 10_000}
    for number, changes in enumerate(({"as_of_date": None}, {"as_of_date": None, **loose, "lifetime_min_orders": 1})):
        built = build(new(tmp_path / str(number)), shop.nasty(), *TABLES, **changes)
        warned = {"customer.lifetime_evaluation": {"the_model_is_better_than_the_baselines"}}
        warned["customer.lifetime_models"] = {"orders_are_fitted", "spend_does_not_depend_on_frequency"}
        for table in TABLES:
            assert set(failing(built, table)) <= warned.get(table, set()), table
        assert {i: broken(built, i) for i in IDENTITIES} == {i: {} for i in IDENTITIES}


# --- which model is used -------------------------------------------------------------------------------------------


def summary(n: int, seed: int, spend_by_frequency: float = 0.0) -> pd.DataFrame:
    """Rows of customer.purchase_summary of drawn customers; the mean order grows with the number of orders."""
    found = drawn(n, seed, (0.8, 40.0, 0.9, 2.0), horizon=120)
    draw = np.random.default_rng(seed)
    level = 20 * (1 + found.x) ** spend_by_frequency * draw.gamma(20, 1 / 20, n)
    mean = np.where(found.x > 0, level * draw.gamma(6 * np.maximum(found.x, 1)) / (6 * np.maximum(found.x, 1)), np.nan)
    columns = {
        "repeat_occasions": found.x.astype(int),
        "days_to_last_occasion": np.floor(found.t_x).astype(int),
        "days_observed": np.floor(found.T).astype(int),
        "first_value": level,
        "mean_repeat_value": mean,
        "holdout_days": 120,
        "holdout_occasions": found.later_orders.astype(int),
        "holdout_value": found.later_orders * level,
    }
    rows = pd.DataFrame(columns)
    return pd.concat([rows.assign(observation=o) for o in ("all", "calibration")], ignore_index=True)


def used_models(rows: pd.DataFrame, **changes: Any) -> list[str]:
    parameters = pd.DataFrame([{**shop.PARAMETERS, **changes}])
    fits = lifetime_fits.models(rows, parameters)
    return list(fits[(fits["observation"] == "all") & fits["is_used"]]["model"])


def test_spend_that_grows_with_frequency_is_left_to_what_came_nearer_to_the_hold_out() -> None:
    independent, growing = summary(3000, 1), summary(3000, 1, spend_by_frequency=1.5)
    assert used_models(independent) == ["bgnbd", "gamma_gamma"]
    fits = lifetime_fits.models(growing, pd.DataFrame([shop.PARAMETERS]))
    flagged = fits[fits["model"] == "gamma_gamma"]
    assert flagged["spend_depends_on_frequency"].all()
    assert (flagged["spend_spearman"] > 0.5).all()
    # Gamma-Gamma trusts a customer's own mean more, or less, than as one order of many: if customers come back with
    # their own means one of both is nearer, if with the mean of all the other one.
    own, x = growing["mean_repeat_value"].fillna(0), growing["repeat_occasions"]
    common = (own * x).sum() / x.sum()
    choices = [used_models(growing.assign(holdout_value=growing["holdout_occasions"] * v))[1] for v in (own, common)]
    assert choices == ["gamma_gamma", "shrunken_mean"]


def test_requirements_are_settings() -> None:
    rows = summary(400, 2)
    assert used_models(rows) == ["empirical_orders", "shrunken_mean"]
    assert used_models(rows, lifetime_min_customers=400) == ["bgnbd", "gamma_gamma"]
    many = summary(600, 3)
    assert used_models(many) == ["bgnbd", "gamma_gamma"]
    assert used_models(many, lifetime_min_days=10_000)[0] == "empirical_orders"
    assert used_models(many, lifetime_min_orders=10_000)[0] == "empirical_orders"
    old = many.assign(days_observed=many["days_observed"] + 31)
    assert used_models(old)[0] == "empirical_orders"
    assert used_models(old, lifetime_max_idle_days=45)[0] != "empirical_orders"


# --- settings and reruns -------------------------------------------------------------------------------------------


def test_margin_and_interest_change_values_and_nothing_else(tmp_path: Path) -> None:
    lines = [*orders("a", 300, 200, 100, price="10"), *orders("b", 200, price="40")]
    plain = by(one(new(tmp_path / "plain"), "customer.lifetime_value", lines, clv_interest_rate=D(0)), "customer_id")
    changes = {"clv_interest_rate": D(0), "clv_margin": D("0.5")}
    half = by(one(new(tmp_path / "half"), "customer.lifetime_value", lines, **changes), "customer_id")
    dear = by(one(new(tmp_path / "dear"), "customer.lifetime_value", lines, clv_interest_rate=D("0.5")), "customer_id")
    for name in "ab":
        for column in ("clv_3m", "clv_12m", "clv_12m_high"):
            assert half[name][column] == pytest.approx(plain[name][column] / 2, abs=D("0.0001"))
        value = plain[name]["expected_orders_365d"] * 365.25 / 365 * float(plain[name]["expected_order_value"])
        assert float(plain[name]["clv_12m"]) == pytest.approx(value, abs=0.0001)
        assert plain[name]["clv_12m"] > dear[name]["clv_12m"] > plain[name]["clv_12m"] / D("1.5")
        assert half[name]["expected_order_value"] == plain[name]["expected_order_value"]
        assert half[name]["total_value"] == half[name]["historic_value"] + half[name]["clv_12m"]


def test_the_order_of_the_lines_does_not_matter(tmp_path: Path) -> None:
    lines = shop.nasty()["sales"]
    loose = {"as_of_date": None, "lifetime_min_customers": 1, "lifetime_min_days": 1, "lifetime_max_idle_days": 10_000}
    one_way = build(new(tmp_path / "1"), {"sales": lines}, *TABLES, **loose)
    other = build(new(tmp_path / "2"), {"sales": list(reversed(lines))}, *TABLES, **loose)
    for table in TABLES:
        rows = [sorted(map(str, built.rows(table))) for built in (one_way, other)]
        assert rows[0] == rows[1], table


def test_every_table_is_tested() -> None:
    made = {c.table for c in project().catalog if c.table.startswith("lifetime_")}
    assert made <= set(NAMES)


def test_a_model_that_does_not_beat_the_baselines_is_not_used_and_the_status_says_why() -> None:
    rows = summary(600, 3)
    goes_on = rows["holdout_days"] * rows["repeat_occasions"] / rows["days_observed"].clip(lower=1)
    as_before = rows.assign(holdout_occasions=goes_on)
    assert used_models(as_before) == ["empirical_orders", "gamma_gamma"]
    fits = lifetime_fits.models(as_before, pd.DataFrame([shop.PARAMETERS]))
    assert used(fits, "all").method == used(fits, "calibration").method == "empirical"
    assert used(fits, "all").status == "not_better"
    assert set(fits[fits["model"] == "bgnbd"]["model_status"]) == {"fitted"}
