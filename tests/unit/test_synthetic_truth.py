"""What is planted in the synthetic shop can be found again in its rows, by means that do not know how they are made."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxa_pipeline.synthetic import ShopConfig, ShopTruth, build_shop, generate
from cxa_pipeline.synthetic.draws import Draws

MIDDLE = ShopConfig(
    seed=5, start=date(2024, 1, 1), end=date(2024, 12, 31), new_customers_per_day=2.5, session_ids=True, split="single"
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], ShopTruth]:
    directory: Path = tmp_path_factory.mktemp("middle")
    truth = generate(MIDDLE, directory)
    return {file.dataset: pd.read_csv(directory / file.file, low_memory=False) for file in truth.files}, truth


def visits_of(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row per visit of a person: its device, place, first moment and deepest step."""
    events = tables["interactions"].merge(tables["devices"], on="device_id", suffixes=("", "_device"))
    events = events[~events["is_bot"]]
    steps = events["event_type"].map({"view": 1, "cart": 2, "purchase": 3}).fillna(0)
    grouped = events.assign(step=steps).groupby("session_id")
    return pd.DataFrame(
        {
            "device_type": grouped["device_type"].first(),
            "location": grouped["location"].first(),
            "started_at": pd.to_datetime(grouped["occurred_at"].min()),
            "deepest": grouped["step"].max(),
        }
    )


def test_sums_of_the_truth_are_those_of_the_files(shop: tuple[dict[str, pd.DataFrame], ShopTruth]) -> None:
    tables, truth = shop
    sales = tables["sales"]
    valid = sales[sales["status"].isna() | sales["status"].isin(["completed", "refunded"])]
    sold, back = valid[valid["quantity"] > 0], valid[valid["quantity"] < 0]
    assert truth.totals["orders"] == sold["order_id"].nunique()
    assert truth.totals["customers"] == sold["customer_id"].nunique()
    assert truth.totals["guest_orders"] == sold[sold["customer_id"].isna()]["order_id"].nunique()
    assert float(truth.totals["gross_sales"]) == pytest.approx((sold["total_price"] + sold["discount_amount"]).sum())
    assert float(truth.totals["discounts"]) == pytest.approx(sold["discount_amount"].sum())
    assert float(truth.totals["returns"]) == pytest.approx(-back["total_price"].sum())
    assert float(truth.totals["net_sales"]) == pytest.approx(valid["total_price"].sum())
    months = valid.groupby(valid["sold_at"].str[:7])["total_price"].sum()
    assert {m["month"]: float(m["net_sales"]) for m in truth.months} == pytest.approx(months.to_dict())
    assert truth.interactions["all"] == len(tables["interactions"])
    assert truth.bots == sorted(tables["devices"].loc[tables["devices"]["is_bot"], "device_id"])


def test_funnel_rates_by_device_are_the_planted_ones(shop: tuple[dict[str, pd.DataFrame], ShopTruth]) -> None:
    tables, truth = shop
    visits = visits_of(tables)
    for device, planted in truth.funnel["by_device"].items():
        deepest = visits.loc[visits["device_type"] == device, "deepest"]
        reached = [len(deepest), *((deepest >= step).sum() for step in (1, 2, 3))]
        for number, name in enumerate(("view_rate", "cart_rate", "purchase_rate")):
            rate = planted[name]
            error = np.sqrt(rate * (1 - rate) / reached[number])
            assert reached[number + 1] / reached[number] == pytest.approx(rate, abs=4 * error), (device, name)
        assert reached[0] == pytest.approx(planted["visits"], rel=0.02)


def test_the_location_effect_can_be_seen(shop: tuple[dict[str, pd.DataFrame], ShopTruth]) -> None:
    tables, truth = shop
    visits = visits_of(tables)
    buys = (visits["deepest"] == 3).groupby(visits["location"]).mean()
    assert buys["München"] > 1.1 * buys["Berlin"] > 1.2 * buys["Zürich"]
    for location, planted in truth.funnel["by_location"].items():
        error = np.sqrt(planted["conversion"] / planted["visits"])
        assert buys[location] == pytest.approx(planted["conversion"], abs=4 * error), location


def test_the_peak_of_visits_is_the_planted_hour(shop: tuple[dict[str, pd.DataFrame], ShopTruth]) -> None:
    tables, truth = shop
    started = visits_of(tables)["started_at"].dt
    counts = pd.crosstab(started.day_of_week + 1, started.hour)
    assert counts.stack().idxmax() == (truth.peak["weekday"], truth.peak["hour"])
    share = np.array(truth.peak["share"])
    assert share.sum() == pytest.approx(1.0, abs=1e-3)
    assert np.corrcoef(counts.to_numpy().ravel(), share.ravel())[0, 1] > 0.95


def test_planted_pairs_are_bought_together_and_other_popular_pairs_are_not(
    shop: tuple[dict[str, pd.DataFrame], ShopTruth],
) -> None:
    tables, truth = shop
    sold = tables["sales"].query("quantity > 0")
    sold = sold[~sold["status"].isin(["cancelled", "pending", "failed", "test"])]
    baskets = pd.crosstab(sold["order_id"], sold["product_id"]).clip(upper=1)
    assert len(truth.affinities) == 12
    for pair in truth.affinities:
        both = int((baskets[pair["product"]] * baskets[pair["partner"]]).sum())
        assert both == pair["orders_with_both"]
        assert both / pair["orders_with_product"] == pytest.approx(pair["probability"], abs=0.17)
        assert pair["lift"] > 4.0
    planted = {product for pair in truth.affinities for product in (pair["product"], pair["partner"])}
    popular = [p for p in baskets.sum().sort_values(ascending=False).index if p not in planted][:15]
    share = baskets[popular].mean()
    together = baskets[popular].T @ baskets[popular] / len(baskets)
    lift = (together / np.outer(share, share)).to_numpy()[~np.eye(len(popular), dtype=bool)]
    assert np.median(lift) < 1.6


def test_customers_buy_as_bgnbd_says() -> None:
    config = replace(
        MIDDLE, history_days=0, end=date(2025, 12, 31), new_customers_per_day=6.0, seasonality=0.0, weekday_effect=0.0,
        growth_per_year=0.0, never_buys_share=0.0,
    )  # fmt: skip
    shop = build_shop(config)
    people, end = shop.people, float(shop.calendar.end - shop.calendar.start + 1)
    observed = end - people.first_bought
    order_day = shop.orders.sold // 86_400
    real = (shop.orders.customer >= 0) & np.isin(shop.orders.status, (0, 5)) & (order_day <= shop.calendar.end)
    repeats = np.bincount(shop.orders.customer[real], minlength=len(people)) - 1
    for days in (90, 365, 600):
        group = (observed >= days) & (observed < days + 60)
        # numeric expectation: for given rate and dropout, repeats until t are (1 - exp(-rate·p·t)) / p
        time, rate, dropout = observed[group], people.rate[group], people.dropout[group]
        expected = (1 - np.exp(-rate * dropout * time)) / dropout
        error = np.sqrt(repeats[group].var() / group.sum())
        assert repeats[group].mean() == pytest.approx(expected.mean(), abs=4 * error)
    alpha, r = config.repeat_days, config.repeat_shape
    assert people.rate.mean() == pytest.approx(r / alpha, rel=0.08)
    assert people.dropout.mean() == pytest.approx(config.dropout_a / (config.dropout_a + config.dropout_b), rel=0.06)


def test_order_values_follow_the_customers_mean_spend() -> None:
    shop = build_shop(MIDDLE)
    sales = pd.DataFrame(
        {
            "order": shop.sales.order_number,
            "customer": shop.sales.customer,
            "cents": shop.sales.total,
            "status": shop.sales.status,
            "quantity": shop.sales.quantity,
        }
    )
    sales = sales[(sales["customer"] >= 0) & sales["status"].isin([0, 5]) & (sales["quantity"] > 0)]
    orders = sales.groupby(["customer", "order"])["cents"].sum() / 100
    by_customer = orders.groupby("customer").agg(["mean", "size"])
    often = by_customer[by_customer["size"] >= 5]
    ratio = often["mean"] / shop.people.mean_spend[often.index]
    assert ratio.median() == pytest.approx(1.0, abs=0.12)
    assert np.corrcoef(np.log(often["mean"]), np.log(shop.people.mean_spend[often.index]))[0, 1] > 0.8
    config = shop.config
    within = orders.groupby("customer").std() / orders.groupby("customer").mean()
    assert within[often.index].median() == pytest.approx(1 / np.sqrt(config.spend_p), abs=0.12)


def test_a_shop_of_a_wanted_size_has_about_that_size(tmp_path: Path) -> None:
    truth = generate(ShopConfig.scaled(sales_lines=6_000, interactions=40_000, seed=3), tmp_path)
    assert truth.sales_lines["all"] == pytest.approx(6_000, rel=0.07)
    assert truth.interactions["all"] == pytest.approx(40_000, rel=0.12)


def test_a_size_that_no_conversion_gives_is_refused_with_the_possible_span() -> None:
    with pytest.raises(ValueError, match="do not fit 5000 sales lines; between"):
        ShopConfig.scaled(sales_lines=5_000, interactions=5_000)


def test_the_demo_shop_has_the_size_it_promises() -> None:
    shop = build_shop(ShopConfig.preset("demo"))
    assert 15_000 <= len(shop.sales) <= 20_000
    assert 100_000 <= sum(len(piece) for piece in shop.events()) <= 140_000
    assert 1_800 <= (shop.people.joined <= shop.calendar.end).sum() <= 2_200


def test_draws_have_the_moments_of_their_distributions() -> None:
    draws = Draws(3)
    keys = draws.keys("thing", np.arange(60_000))
    assert draws.uniform("u", keys).mean() == pytest.approx(0.5, abs=0.006)
    assert draws.normal("n", keys).std() == pytest.approx(1.0, abs=0.015)
    assert draws.exponential("e", keys).mean() == pytest.approx(1.0, abs=0.02)
    assert draws.geometric("g", keys, 0.2).mean() == pytest.approx(4.0, abs=0.1)
    for mean in (0.3, 5.0, 700.0):
        counts = draws.poisson("p", keys, mean)
        assert counts.mean() == pytest.approx(mean, rel=0.02)
        assert counts.var() == pytest.approx(mean, rel=0.04)
    for shape in (0.4, 1.0, 6.0):
        drawn = draws.gamma(f"gamma {shape}", keys, shape)
        assert drawn.mean() == pytest.approx(shape, rel=0.03)
        assert drawn.var() == pytest.approx(shape, rel=0.06)
    assert draws.beta("b", keys, 0.8, 3.6).mean() == pytest.approx(0.8 / 4.4, rel=0.03)
    shares = np.bincount(draws.choice("c", keys, (1, 0, 3)), minlength=3) / len(keys)
    assert shares == pytest.approx([0.25, 0, 0.75], abs=0.01)


def test_a_draw_depends_on_its_key_and_purpose_alone() -> None:
    draws = Draws(3)
    keys = draws.keys("thing", np.arange(1_000))
    assert (draws.uniform("u", keys)[500:] == draws.uniform("u", keys[500:])).all()
    assert (draws.gamma("g", keys, 0.7)[::7] == draws.gamma("g", keys[::7], 0.7)).all()
    assert abs(np.corrcoef(draws.uniform("u", keys), draws.uniform("v", keys))[0, 1]) < 0.1
    assert (Draws(4).uniform("u", keys) != draws.uniform("u", keys)).all()
