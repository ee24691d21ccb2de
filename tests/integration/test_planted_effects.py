"""What is planted in the synthetic shop is found again by the tables of behavior: devices, locations, the busiest hour.

Truth comes from the generator, which knows nothing of the tables. Intervals are those of the tables, widened from 95 %
to 99.9 % (z = 3.29), since some twenty of them are judged at once.
"""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from cxa_pipeline.synthetic import ShopConfig, ShopTruth, generate
from cxa_pipeline.synthetic.visits import planted_rates
from cxa_pipeline.synthetic.vocabulary import DEVICE_TYPES, PLACES
from tests.independent import shop, synthetic
from tests.independent.tables import OnEngine, Row, project

pytestmark = pytest.mark.slow
"""Minutes; run by .ci/run."""

WIDE = 3.29 / 1.959964
CONFIG = ShopConfig(
    seed=5, start=date(2024, 1, 1), end=date(2024, 12, 31), new_customers_per_day=2.5, session_ids=True, split="single"
)
"""Sessions are delivered, so that a visit of the generator is a visit of the tables."""

TABLES = ("behavior.device_effect", "behavior.location_effect", "behavior.effect_sizes", "behavior.peak_times")


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[OnEngine, ShopTruth]:
    folder = tmp_path_factory.mktemp("planted")
    truth = generate(CONFIG, folder / "again")
    landed = synthetic.landed_rows(CONFIG, folder / "files")
    return OnEngine(project(), folder).build(landed, shop.PARAMETERS, *TABLES), truth


def rows(planted: tuple[OnEngine, ShopTruth], table: str, name: str) -> dict[str, Row]:
    return {row[name]: row for row in planted[0].rows(table)}


def contains(row: Row, difference: float) -> bool:
    """Whether the interval of the difference, widened to 99.9 %, holds the planted one."""
    middle = row["conversion_difference"]
    low = middle - WIDE * (middle - row["difference_ci_low"])
    high = middle + WIDE * (row["difference_ci_high"] - middle)
    return bool(low <= difference <= high)


def planted_difference(members: dict[str, Row], name: str) -> float:
    """Planted conversion of a member less that of all others, each visit counted once."""
    rest = [m for key, m in members.items() if key != name]
    others = sum(m["visits"] * m["conversion"] for m in rest) / sum(m["visits"] for m in rest)
    return float(members[name]["conversion"] - others)


def test_every_purchase_is_found_on_its_device(planted: tuple[OnEngine, ShopTruth]) -> None:
    devices = rows(planted, "behavior.device_effect", "device_type")
    truth = planted[1].funnel["by_device"]
    assert {name: devices[name]["converted_sessions"] for name in truth} == {n: t["purchase"] for n, t in truth.items()}
    assert set(devices) == {*truth, "unknown"}, "some visits of known customers have no device"
    for name, member in truth.items():
        assert devices[name]["sessions"] == pytest.approx(member["visits"], rel=0.02)


def test_the_effect_of_each_device_lies_in_its_interval(planted: tuple[OnEngine, ShopTruth]) -> None:
    devices = rows(planted, "behavior.device_effect", "device_type")
    truth = planted[1].funnel["by_device"]
    assert truth["mobile"]["conversion"] < 0.7 * truth["desktop"]["conversion"], "planted: odds of 0.6 on both steps"
    for name in truth:
        assert contains(devices[name], planted_difference(truth, name)), name
    assert (devices["mobile"]["conversion_verdict"], devices["desktop"]["conversion_verdict"]) == ("lower", "higher")
    verdicts = {row["order_value_verdict"] for name, row in devices.items() if name != "unknown"}
    assert verdicts == {"not distinguishable"}, "no effect of the device on the value of orders is planted"


def test_the_effect_of_each_location_lies_in_its_interval(planted: tuple[OnEngine, ShopTruth]) -> None:
    places = rows(planted, "behavior.location_effect", "location")
    truth = planted[1].funnel["by_location"]
    assert {place.name for place in PLACES} <= set(places) <= {place.name for place in PLACES} | {"Unknown"}
    for name in truth:
        assert contains(places[name], planted_difference(truth, name)), name
    verdicts = {name: places[name]["conversion_verdict"] for name in CONFIG.location_odds}
    assert verdicts["München"] == "higher" and verdicts["Zürich"] == "lower", "planted odds 1.6 and 0.6"
    assert verdicts["Wien"] != "lower" and verdicts["Leipzig"] != "higher", "planted odds 1.25 and 0.75"


def test_standardised_conversion_is_the_planted_one_at_the_mix_of_all_devices(
    planted: tuple[OnEngine, ShopTruth],
) -> None:
    """The standard error of a weighted mean of proportions, with the design effect of the location."""
    places = rows(planted, "behavior.location_effect", "location")
    devices = rows(planted, "behavior.device_effect", "device_type")
    rates = planted_rates(CONFIG).conversion
    weights = np.array([devices[name]["sessions"] for name in DEVICE_TYPES], dtype=float)
    weights /= weights.sum()
    for number, place in enumerate(PLACES):
        row = places[place.name]
        expected = float(weights @ rates[:, number])
        error = np.sqrt(row["design_effect"] * row["session_conversion"] / row["sessions"])
        assert row["standardised_conversion"] == pytest.approx(expected, abs=3.29 * error), place.name
        assert row["standardised_coverage"] == 1


def test_the_device_matters_more_than_the_location_and_neither_for_order_values(
    planted: tuple[OnEngine, ShopTruth],
) -> None:
    sizes = {(r["dimension"], r["outcome"]): r for r in planted[0].rows("behavior.effect_sizes")}
    device, location = sizes["device_type", "conversion"], sizes["location", "conversion"]
    assert device["effect_size"] > location["effect_size"] > 0.02
    assert device["p_value"] < 1e-9
    assert sizes["device_type", "order_value"]["p_value"] > 0.001
    assert sizes["device_type", "order_value"]["effect_size"] < 0.01


def test_the_busiest_hour_is_the_planted_one(planted: tuple[OnEngine, ShopTruth]) -> None:
    cells = {(r["event_type"], r["iso_weekday"], r["hour"]): r for r in planted[0].rows("behavior.peak_times")}
    peak = planted[1].peak
    (found,) = [key for key, row in cells.items() if row["is_peak"] and key[0] == "visit"]
    assert found[1:] == (peak["weekday"], peak["hour"])
    assert cells[found]["z_score"] > 2
    expected = np.array(peak["share"])
    shown = np.array([[cells["visit", day + 1, hour]["share"] for hour in range(24)] for day in range(7)])
    visits = sum(cells["visit", day + 1, hour]["total"] for day in range(7) for hour in range(24))
    error = np.sqrt(expected / float(visits))
    assert (np.abs(shown - expected) < 5 * error + 0.0005).all()
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.95
