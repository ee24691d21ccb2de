"""Features of future value are what plain Python counts, know nothing of the future, and little data is no error."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cxa_pipeline.pipeline.audit import audit_on_engine
from tests.independent import metrics, shop, value_features
from tests.independent.tables import OnEngine, Rows, project
from tests.integration.customer_shop import own
from tests.integration.test_models_identities import broken, changed

TABLES = ("customer.value_prediction", "customer.value_confusion", "customer.high_value")
LABELS = ("future_net_sales", "half_horizon_net_sales")
PARAMETERS = {**shop.PARAMETERS, "value_min_customers": 10}


def visited() -> shop.Landed:
    """The busy shop with known visitors until its last day, some of them over midnight after a cut-off."""
    found, draw = shop.busy(), random.Random(8)
    last = metrics.Shop(found).as_of
    days = [last - timedelta(days=draw.randrange(1, 520)) for _ in range(600)]
    moments = [f"{day}T{draw.randrange(8, 20):02}:{draw.randrange(60):02}" for day in days]
    for before in (180, 270, 360):
        cutoff = last - timedelta(days=before)
        moments += [f"{cutoff}T23:55", f"{cutoff + timedelta(days=1)}T00:05"]
    types = ["view", "view", "cart", "search"]
    events = [
        shop.event(
            f"v{n}",
            moment,
            "view" if n >= 600 else draw.choice(types),
            customer_id="c5" if n >= 600 else f"c{draw.randrange(1, 30)}",
            product_id="P1",
        )
        for n, moment in enumerate(moments)
    ]
    return {**found, "interactions": [*found["interactions"], *events]}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OnEngine]:
    yield OnEngine(project(), tmp_path_factory.mktemp("value")).build(visited(), PARAMETERS, *TABLES)


def rules_broken(built: OnEngine) -> dict[str, list[str]]:
    contracts = [c for c in built.project.catalog if c.key in built.relations and c.key.startswith("customer.value_")]
    found = {c.key: audit_on_engine(built.engine, c, built.relations[c.key]) for c in contracts}
    return {key: failed for key, results in found.items() if (failed := [r.rule for r in results if not r.passed])}


def by_customer(rows: Rows, day: date) -> dict[str, Any]:
    return {row["customer_id"]: row for row in rows if row["cutoff_date"] == day}


def features(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in LABELS}


# --- cut-offs ------------------------------------------------------------------------------------------------------


def test_cutoffs_lie_whole_horizons_before_the_as_of_date(built: OnEngine) -> None:
    rows, whole = built.rows("customer.value_cutoffs"), metrics.Shop(visited())
    days = {(row["kind"], row["cutoff_date"]) for row in rows}
    expected = {"score": 0, "test": 180, "choice": 270, "train": 360}
    # Fewer than 20 times 10 customers: two earlier cut-offs for training.
    ago = [*expected.items(), ("train", 390), ("train", 420)]
    assert days == {(kind, whole.as_of - timedelta(days=n)) for kind, n in ago}
    assert {row["horizon_days"] for row in rows} == {180}
    for row in rows:
        with_order = {o.customer for o in metrics.Shop(visited(), row["cutoff_date"]).orders if o.customer}
        assert row["customers"] == len(with_order)


@pytest.mark.parametrize(
    ("days", "customers", "horizon"), [(540, 10, 180), (539, 10, 90), (269, 10, 60), (179, 10, None), (540, 11, None)]
)
def test_the_horizon_is_the_longest_that_the_history_allows(
    tmp_path: Path, days: int, customers: int, horizon: int | None
) -> None:
    first = date(2023, 1, 1)
    lines = [shop.sale(f"a{n}", first.isoformat(), customer=f"k{n}") for n in range(10)]
    lines.append(shop.sale("z", (first + timedelta(days=days)).isoformat(), customer="k0"))
    parameters = {**PARAMETERS, "value_min_customers": customers}
    found = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": lines}, parameters, "customer.value_cutoffs")
    rows = found.rows("customer.value_cutoffs")
    assert {row["kind"] for row in rows} == ({"score", "test", "choice", "train"} if horizon else {"score"})
    assert {row["horizon_days"] for row in rows} == {horizon or 180}
    assert {row["is_sufficient"] for row in rows} == {horizon is not None}


# --- features ------------------------------------------------------------------------------------------------------


def test_features_and_labels_are_what_plain_python_counts(built: OnEngine) -> None:
    bots = {row["device_id"] for row in visited()["devices"] if row.get("is_bot")}
    sessions = [
        row
        for row in built.rows("core.events")
        if row["event_source"] == "interaction" and row["event_type"] != "purchase" and row["device_id"] not in bots
    ]
    category = {row["product_id"]: row["category"] for row in built.rows("core.products")}
    rows, seen = built.rows("customer.value_features"), Counter[str]()
    for cutoff in built.rows("customer.value_cutoffs"):
        day = cutoff["cutoff_date"]
        found = by_customer(rows, day)
        expected = value_features.at(
            visited(), sessions, category, day, cutoff["horizon_days"], cutoff["kind"] != "score"
        )
        assert sorted(found) == sorted(row["customer_id"] for row in expected)
        for row in expected:
            for name, value in row.items():
                stored = found[row["customer_id"]][name]
                seen[name] += stored not in (None, 0)
                assert same(stored, value), (day, row["customer_id"], name, stored, value)
    assert all(seen.values()), [name for name, times in seen.items() if not times]


def same(stored: Any, counted: Any) -> bool:
    if isinstance(stored, Decimal):
        return abs(stored - Decimal(counted)) <= Decimal("0.00005")
    return stored == (pytest.approx(float(counted)) if isinstance(stored, float) else counted)


@pytest.mark.parametrize("kind", ["test", "choice", "train"])
def test_deleting_every_row_after_a_cutoff_changes_no_feature(built: OnEngine, tmp_path: Path, kind: str) -> None:
    cutoffs = [row["cutoff_date"] for row in built.rows("customer.value_cutoffs") if row["kind"] == kind]
    day, landed = max(cutoffs), visited()
    landed["sales"] = [row for row in landed["sales"] if row["sold_date"] <= day]
    landed["interactions"] = [row for row in landed["interactions"] if row["occurred_date"] <= day]
    parameters = {**PARAMETERS, "as_of_date": metrics.Shop(visited()).as_of}
    earlier = OnEngine(project(), tmp_path).build(landed, parameters, "customer.value_features")
    before = by_customer(built.rows("customer.value_features"), day)
    after = by_customer(earlier.rows("customer.value_features"), day)
    assert len(before) > 10
    assert sorted(after) == sorted(before)
    for customer, row in before.items():
        assert features(after[customer]) == features(row)
    assert {row["future_net_sales"] for row in after.values()} == {Decimal(0)}


def test_a_row_after_the_cutoff_breaks_a_rule(built: OnEngine, tmp_path: Path) -> None:
    contract = built.project.catalog["customer.value_features"]
    rows = built.rows("customer.value_features")
    leaky = {**rows[0], "last_input_date": rows[0]["cutoff_date"] + timedelta(days=1)}
    own = OnEngine(built.project, tmp_path)
    own._store(contract, [leaky, *rows[1:]])
    results = audit_on_engine(own.engine, contract, own.relations[contract.key])
    assert [(r.rule, r.severity) for r in results if not r.passed] == [("no_feature_knows_the_future", "error")]


# --- the tables of a small shop ------------------------------------------------------------------------------------


def test_the_rules_hold_and_a_small_shop_is_warned_of_its_baseline(built: OnEngine) -> None:
    assert rules_broken(built) == {"customer.value_prediction": ["a_model_is_served"]}
    rule = next(r for r in project().catalog["customer.value_prediction"].rules if r.name == "a_model_is_served")
    assert rule.severity == "warn"
    differences = built.identity("value_predictions_add_up")
    assert len(differences) > 10
    assert {row["difference"] for row in differences} == {0}


def test_who_is_predicted_high_is_of_high_value_and_one_who_was_lost_is_found(built: OnEngine) -> None:
    high = {r["customer_id"] for r in built.rows("customer.value_prediction") if r["predicted_segment"] == "High"}
    rows = [r for r in built.rows("customer.high_value") if r["basis"] == "predicted"]
    assert high and {row["customer_id"] for row in rows} == high
    contract = built.project.catalog["customer.high_value"]
    assert all(r.passed for r in audit_on_engine(built.engine, contract, built.relations[contract.key]))
    mine = own(built)
    changed(mine, "customer.high_value", lambda rows: [row for row in rows if row["basis"] != "predicted"])
    assert broken(mine, "value_predictions_add_up") == {"customer.high_value": ["customers predicted High"]}


def test_too_few_customers_of_a_class_leave_a_baseline(built: OnEngine) -> None:
    assert {row["status"] for row in built.rows("customer.value_models")} == {"too_few_of_a_class"}
    served = {row["model"] for row in built.rows("customer.value_evaluation") if row["is_served"]}
    rows = built.rows("customer.value_prediction")
    assert {row["model_used"] for row in rows} == served
    assert {row["model_status"] for row in rows} == {"too_few_of_a_class"}
    assert {row["is_baseline"] for row in built.rows("customer.value_evaluation")} == {True}
    assert len(rows) == len({o.customer for o in metrics.Shop(visited()).orders if o.customer})


def test_insufficient_data_leave_the_class_of_the_past(tmp_path: Path) -> None:
    parameters = {**PARAMETERS, "value_min_customers": 500}
    found = OnEngine(project(), tmp_path).build(shop.nasty(), parameters, *TABLES)
    rows = found.rows("customer.value_prediction")
    assert rows
    assert {(row["model_used"], row["model_status"]) for row in rows} == {("past_segment", "insufficient_data")}
    assert all(row["predicted_segment"] == row["historic_segment"] for row in rows)
    assert {row["predicted_segment"] for row in rows} == {"Low", "Mid", "High"}
    assert (found.rows("customer.value_evaluation"), found.rows("customer.value_confusion")) == ([], [])
    assert rules_broken(found) == {"customer.value_prediction": ["a_model_is_served"]}


@pytest.mark.parametrize("sales", [[], [shop.sale("1", "2024-05-01", customer="k")]])
def test_nothing_and_one_customer_are_no_error(tmp_path: Path, sales: Rows) -> None:
    found = OnEngine(project(), tmp_path).build({**shop.empty(), "sales": sales}, PARAMETERS, *TABLES)
    assert len(found.rows("customer.value_prediction")) == len(sales)
    assert {row["difference"] for row in found.identity("value_predictions_add_up")} <= {0}
