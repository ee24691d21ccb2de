"""The prediction of customer value on real shops: baselines as recomputed from the lines, and an honest gate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score

from cxa_pipeline.pipeline.audit import audit_on_engine
from tests.independent import reference_shops
from tests.independent.reference_shops import ReferenceShop
from tests.independent.tables import OnEngine, project

pytestmark = pytest.mark.slow

DAY = pd.Timedelta(days=1)
HORIZONS = {"Online Retail": 90, "CDNOW": 180, "Complete Journey": 90}
CUSTOMERS = {"Online Retail": 4338, "CDNOW": 23_570, "Complete Journey": 2_373}


@dataclass(frozen=True)
class Case:
    """A shop, its tables, and the class of each test customer before and after the cut-off."""

    name: str
    shop: ReferenceShop
    built: OnEngine
    past: pd.Series
    future: pd.Series

    def figures(self, metric: str) -> dict[str, dict[str, Any]]:
        rows = self.built.rows("customer.value_evaluation")
        return {row["model"]: row for row in rows if row["metric"] == metric}


@pytest.fixture(scope="module", params=reference_shops.NAMES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    given = reference_shops.load(request.param)
    built = OnEngine(project(), tmp_path_factory.mktemp("shop"))
    tables = ("customer.value_prediction", "customer.value_confusion", "customer.high_value")
    built.build(given.landed, given.parameters, *tables)
    yield Case(request.param, given, built, *classes(given, HORIZONS[request.param]))


def classes(given: ReferenceShop, horizon: int) -> tuple[pd.Series, pd.Series]:
    """From the lines alone: 0, 1 or 2 for each customer with an order up to the test cut-off."""
    last = given.lines["day"].max()
    train, test = last - 2 * horizon * DAY, last - horizon * DAY
    bounds = np.percentile(spent(given, train, train, train + horizon * DAY), [50, 80]).clip(min=0)
    assert bounds[1] > 0
    past, future = spent(given, test, test - horizon * DAY, test), spent(given, test, test, last)
    return tuple((s > bounds[0]).astype(int) + (s > bounds[1]) for s in (past, future))  # type: ignore[return-value]


def spent(given: ReferenceShop, cutoff: pd.Timestamp, after: pd.Timestamp, until: pd.Timestamp) -> pd.Series:
    """Money of each customer with an order up to the cut-off, from the day after `after` to `until`."""
    customers = sorted(given.orders.loc[given.orders["day"] <= cutoff, "customer"].unique())
    within = given.lines[(given.lines["day"] > after) & (given.lines["day"] <= until)]
    return within.groupby("customer")["money"].sum().reindex(customers).fillna(0.0).round(4)


def test_the_horizon_follows_from_the_history(case: Case) -> None:
    rows = case.built.rows("customer.value_cutoffs")
    assert {row["horizon_days"] for row in rows} == {HORIZONS[case.name]}
    assert len(case.built.rows("customer.value_prediction")) == CUSTOMERS[case.name]


def test_the_baselines_have_the_figures_of_scikit_learn_on_the_lines(case: Case) -> None:
    f1, kappa = case.figures("macro_f1"), case.figures("weighted_kappa")
    assert f1["past_segment"]["n"] == len(case.future)
    assert f1["past_segment"]["value"] == pytest.approx(f1_score(case.future, case.past, average="macro"))
    assert kappa["past_segment"]["value"] == pytest.approx(
        cohen_kappa_score(case.future, case.past, weights="quadratic")
    )
    most = np.zeros(len(case.future), dtype=int)
    assert f1["majority"]["value"] == pytest.approx(f1_score(case.future, most, average="macro", zero_division=0))


def test_what_is_served_is_what_the_gate_says(case: Case) -> None:
    f1, gain = case.figures("macro_f1"), case.figures("macro_f1_gain")
    ((chosen, row),) = gain.items()
    best = max((r for r in f1.values() if r["is_baseline"]), key=lambda r: r["value"])
    assert row["value"] == pytest.approx(f1[chosen]["value"] - best["value"])
    served = chosen if row["ci_low"] > 0 else best["model"]
    assert [model for model, r in f1.items() if r["is_served"]] == [served]
    assert {r["model_used"] for r in case.built.rows("customer.value_prediction")} == {served}
    # Never far behind what knows next to nothing.
    assert row["value"] > -0.02


def test_probabilities_are_better_than_those_of_every_baseline(case: Case) -> None:
    losses = {model: row["value"] for model, row in case.figures("log_loss").items()}
    baselines = [losses[model] for model in ("majority", "past_segment", "lifetime_value")]
    assert max(losses["logistic"], losses["boosting"]) < min(baselines)


def test_the_rules_hold_and_a_served_baseline_is_warned_of(case: Case) -> None:
    warned = any(row["is_served"] and row["is_baseline"] for row in case.figures("macro_f1").values())
    broken = {
        (contract.key, result.rule)
        for contract in case.built.project.catalog
        if contract.key.startswith(("customer.value_", "customer.high_value")) and contract.key in case.built.relations
        for result in audit_on_engine(case.built.engine, contract, case.built.relations[contract.key])
        if not result.passed
    }
    assert broken == ({("customer.value_prediction", "a_model_is_served")} if warned else set())
    assert {row["difference"] for row in case.built.identity("value_predictions_add_up")} == {0}
