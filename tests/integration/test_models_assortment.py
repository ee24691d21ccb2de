"""Demand against supply, preferences of groups and substitutes: an independent recomputation, and hand-made cases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest

from cxa_pipeline.contracts.ddl import create_table
from tests.independent import assortment, assortment_drawn, shop
from tests.independent.answers import ANSWERS
from tests.independent.answers_known import Known
from tests.independent.assortment import TABLES
from tests.independent.customers import Customers
from tests.independent.shop import event, sale
from tests.independent.tables import OnEngine, Row, project, values
from tests.integration.in_postgres import assert_same_in_postgres

FIT, PREFERENCES, SUBSTITUTES = TABLES
SHOPS: dict[str, tuple[Callable[[], shop.Landed], Row]] = {
    "drawn": (assortment_drawn.landed, {"min_group_size": 20}),
    "drawn, as of a day in between": (
        lambda: assortment_drawn.landed(700, 8),
        {"min_group_size": 8, "as_of_date": date(2024, 4, 20), "assortment_days": 30, "substitutes_max_viewed": 2},
    ),
    "busy": (shop.busy, {"min_group_size": 2, "assortment_min_products": 2}),
    "sales alone": (shop.nasty, {"min_group_size": 3}),
    "empty": (shop.empty, {}),
}
Both = tuple[OnEngine, Customers]


def build(folder: Path, landed: shop.Landed, *tables: str, **parameters: Any) -> OnEngine:
    folder.mkdir(exist_ok=True)
    return OnEngine(project(), folder).build(landed, {**shop.PARAMETERS, **parameters}, *(tables or TABLES))


@pytest.fixture(scope="module", params=SHOPS, ids=list(SHOPS))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """The tables on the engine, and the rows of core from which they came for the recomputation."""
    make, given = SHOPS[request.param]
    built = build(tmp_path_factory.mktemp("built"), make(), **given)
    return built, Customers(built.rows, {**shop.PARAMETERS, **given})


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> OnEngine:
    return build(tmp_path_factory.mktemp("drawn"), assortment_drawn.landed(), min_group_size=20)


def same(ours: Any, theirs: Any, is_probability: bool) -> bool:
    """Equal, up to the last digit of money, twelve digits, and the accuracy of normal tails."""
    if ours is None or theirs is None:
        return ours is None and theirs is None
    if isinstance(ours, (bool, str)):
        return bool(ours == theirs)
    if isinstance(ours, Decimal):
        return abs(ours - Decimal(str(theirs))) <= Decimal("0.0001")
    return float(ours) == pytest.approx(float(theirs), rel=1e-6 if is_probability else 1e-9, abs=1e-11)


@pytest.mark.parametrize("table", TABLES)
def test_every_cell_agrees_with_the_independent_recomputation(both: Both, table: str) -> None:
    built, found = both
    key, made = assortment.key_of(table), TABLES[table](found)
    ours = {tuple(row[name] for name in key): row for row in built.rows(table)}
    theirs = {tuple(row[name] for name in key): row for row in made}
    assert set(ours) == set(theirs) and len(made) == len(theirs) == len(built.rows(table))
    wrong = {
        (place, name): (row[name], theirs[place][name])
        for place, row in ours.items()
        for name in row
        if not same(row[name], theirs[place][name], name in ("p_value", "q_value"))
    }
    assert wrong == {}


# --- behavior.assortment_fit ---------------------------------------------------------------------------------


def fit(built: OnEngine, category: str) -> Row:
    (row,) = (row for row in built.rows(FIT) if row["category"] == category)
    return row


def shelf(name: str, size: int, **given: Any) -> list[Row]:
    row = {"product_name": name, "category": name, "is_active": True}
    return [{**row, "product_id": f"{name}{n}", **given} for n in range(size)]


def views(product: str, people: int, day: str = "2024-06-30") -> list[Row]:
    """So many people who look at a product."""
    return [
        event(f"{product}-{n}-{day}", f"{day} 10:00", "view", product_id=product, device_id=f"d{n}")
        for n in range(people)
    ]


def test_what_is_wanted_more_than_it_is_offered_is_under_supplied(drawn: OnEngine) -> None:
    found = {row["category"]: row["verdict"] for row in drawn.rows(FIT)}
    expected = {"Lamps": "under_supplied", "Toys": "over_supplied", "Dust": "over_supplied"}
    assert found == {**expected, "Books": found["Books"], "Pens": "not_enough_data", "Unknown": "not_enough_data"}
    assert fit(drawn, "Dust")["demand_index"] == 0 and fit(drawn, "Dust")["products_gap"] == -6
    assert fit(drawn, "Lamps")["products_gap"] > 0


def test_the_index_is_the_demand_per_product_against_the_shop(tmp_path: Path) -> None:
    """5 lamps with 12 people each and 5 pens with 4: 8 is the mean of the shop; halves of a product are rounded up."""
    events = [row for n in range(5) for row in [*views(f"Lamp{n}", 12), *views(f"Pen{n}", 4)]]
    given = {**shop.empty(), "interactions": events, "products": [*shelf("Lamp", 5), *shelf("Pen", 5)]}
    built = build(tmp_path, given, FIT, min_group_size=20)
    lamp, pen = fit(built, "Lamp"), fit(built, "Pen")
    assert (lamp["interested"], lamp["demand_index"], lamp["products_gap"], lamp["verdict"]) == (
        60,
        1.5,
        3,
        "under_supplied",
    )
    assert (pen["interested"], pen["demand_index"], pen["products_gap"], pen["verdict"]) == (
        20,
        0.5,
        -2,
        "over_supplied",
    )
    assert (lamp["demand_share"], lamp["product_share"]) == (0.75, 0.5)


def test_a_person_counts_once_for_each_product_however_often_and_in_the_days_alone(tmp_path: Path) -> None:
    """2 April is the first of the 90 days up to 30 June."""
    acts = [
        event("1", "2024-06-30 10:00", "view", product_id="Lamp0", device_id="d"),
        event("2", "2024-06-30 11:00", "cart", product_id="Lamp0", device_id="d"),
        event("3", "2024-06-30 11:00", "view", product_id="Lamp1", device_id="d"),
        event("4", "2024-04-02 00:00", "wishlist", product_id="Lamp0", device_id="e"),
        event("5", "2024-04-01 23:59", "view", product_id="Lamp0", device_id="f"),
    ]
    given = {**shop.empty(), "interactions": acts, "products": shelf("Lamp", 2)}
    row = fit(build(tmp_path, given, FIT), "Lamp")
    assert (row["interested"], row["views"], row["carts"]) == (3, 2, 1)


def test_orders_in_shops_with_a_door_are_demand_too(tmp_path: Path) -> None:
    lines = [
        sale("1", "2024-06-30 10:00", product="Lamp0", customer="c", store_id="S1"),
        sale("2", "2024-06-29 10:00", product="Lamp0", customer="c", store_id="S1"),
        sale("3", "2024-06-30 10:00", product="Lamp0", store_id="S1"),
        sale("4", "2024-06-30 10:00", product="Lamp1", customer="c", store_id="W1"),
        sale("5", "2024-06-30 10:00", -1, product="Lamp1", customer="d", store_id="S1"),
    ]
    stores = [{"store_id": "S1", "channel": "store"}, {"store_id": "W1", "channel": "online"}]
    given = {**shop.empty(), "sales": lines, "stores": stores, "products": shelf("Lamp", 2)}
    row = fit(build(tmp_path, given, FIT), "Lamp")
    assert (row["interested"], row["orders"], row["customers"], row["net_sales"]) == (3, 4, 1, 30)


def test_withdrawn_products_are_demand_and_no_supply(tmp_path: Path) -> None:
    products = [*shelf("Lamp", 2), {**shelf("Lamp", 3)[2], "is_active": False}]
    given = {**shop.empty(), "interactions": [*views("Lamp0", 2), *views("Lamp2", 4)], "products": products}
    row = fit(build(tmp_path, given, FIT), "Lamp")
    assert (row["active_products"], row["interested"], row["products_without_demand"]) == (2, 6, 1)
    assert row["demand_per_product"] == 3


def test_one_customer_and_one_product_give_no_verdict(tmp_path: Path) -> None:
    lines = [sale("1", "2024-06-30 10:00", product="P", customer="c")]
    built = build(tmp_path, {**shop.empty(), "sales": lines})
    row = fit(built, "Unknown")
    assert (row["verdict"], row["demand_index"], row["ci_low"], row["low_n"]) == ("not_enough_data", 1, None, True)
    found = built.rows(PREFERENCES)
    assert {r["breakdown"] for r in found} == {"rfm_segment"}
    assert {(r["verdict"], r["share"], r["rest_share"]) for r in found} == {("not_enough_data", 1, None)}
    assert built.rows(SUBSTITUTES) == []


# --- customer.assortment_preferences -------------------------------------------------------------------------


def preferences(built: OnEngine, **having: Any) -> list[Row]:
    return [row for row in built.rows(PREFERENCES) if all(row[name] == value for name, value in having.items())]


def test_what_a_group_likes_more_than_others_is_found(drawn: OnEngine) -> None:
    (toys,) = preferences(drawn, level="category", breakdown="gender", member="female", item="Toys")
    assert toys["verdict"] == "preferred" and toys["rank"] == 1 and toys["ci_low"] > 1
    (others,) = preferences(drawn, level="category", breakdown="gender", member="male", item="Toys")
    assert others["verdict"] == "avoided" and others["p_value"] == toys["p_value"]
    assert {r["verdict"] for r in preferences(drawn, level="category", breakdown="location")} <= {
        *("no_difference", "not_enough_data"),
    }
    products = preferences(drawn, level="product")
    assert all(row["verdict"] == "preferred" and row["category"] for row in products)


def test_those_who_buy_much_do_not_prefer_everything(tmp_path: Path) -> None:
    """Women buy every product, men every second one; the parts of the two categories are the same."""
    lines, people = [], []
    for n in range(60):
        kind = "female" if n % 2 else "male"
        people.append({"customer_id": f"c{n}", "gender": kind})
        for item in range(0, 8, 1 if kind == "female" else 2):
            product = f"Lamp{item // 2}" if item % 4 < 2 else f"Pen{item // 2}"
            lines.append(
                sale(f"{n}-{item}", "2024-06-30 10:00", product=product, customer=f"c{n}", order=f"{n}-{item}")
            )
    products = [*shelf("Lamp", 4), *shelf("Pen", 4)]
    given = {**shop.empty(), "sales": lines, "customers": people, "products": products}
    rows = preferences(build(tmp_path, given, PREFERENCES, min_group_size=10), breakdown="gender", level="category")
    assert {(row["share"], row["preference_index"], row["verdict"]) for row in rows} == {(0.5, 1, "no_difference")}


def test_customers_of_no_known_group_are_left_out(drawn: OnEngine) -> None:
    assert {row["member"] for row in preferences(drawn, breakdown="gender")} == {"female", "male"}
    assert "Unknown" not in {row["member"] for row in drawn.rows(PREFERENCES)}


# --- basket.substitutes --------------------------------------------------------------------------------------


def test_what_is_compared_and_bought_instead_of_each_other_is_a_substitute(drawn: OnEngine) -> None:
    found = {(row["product_id"], row["other_product_id"]): row for row in drawn.rows(SUBSTITUTES)}
    instead, with_each_other = found["L0", "L1"], found["L2", "L3"]
    assert (instead["verdict"], instead["rank"], instead["orders_both"], instead["lift"]) == ("substitutes", 1, 0, 0)
    assert instead["visits_product_bought"] and instead["visits_other_bought"] and not instead["visits_both_bought"]
    assert with_each_other["verdict"] == "complements" and with_each_other["lift"] > 1
    assert with_each_other["rank"] is None
    assert all(row["category"] == "Lamps" for row in found.values())


def test_long_looks_around_compare_nothing(tmp_path: Path) -> None:
    landed = assortment_drawn.landed(600, 5)
    assert build(tmp_path / "two", landed, SUBSTITUTES, min_group_size=5, substitutes_max_viewed=2).rows(SUBSTITUTES)
    assert not build(tmp_path / "one", landed, SUBSTITUTES, min_group_size=5, substitutes_max_viewed=1).rows(
        SUBSTITUTES
    )


def test_without_interactions_nothing_was_compared(tmp_path: Path) -> None:
    landed = {**assortment_drawn.landed(300, 5), "interactions": []}
    assert build(tmp_path, landed, SUBSTITUTES, min_group_size=2).rows(SUBSTITUTES) == []


# --- both engines


@pytest.mark.parametrize("name", ["drawn", "busy"])
def test_postgresql_gives_the_same_rows_and_finds_every_rule_kept(name: str, database: str, tmp_path: Path) -> None:
    """The files as they are, tables with their constraints, and the failing rows of every rule."""
    make, parameters = SHOPS[name]
    built = build(tmp_path, make(), **parameters)
    with psycopg.connect(database, autocommit=True) as session:
        session.execute("set timezone = 'UTC'")
        fill(session, built)
        assert_same_in_postgres(session, built, TABLES)


def fill(session: psycopg.Connection[Any], built: OnEngine) -> None:
    """What the tables read, as the engine made it, and the tables as PostgreSQL makes them."""
    found = project()
    read = {key for table in TABLES for key in found.dependencies(table)}
    for schema in sorted({key.split(".")[0] for key in (*read, *TABLES)}):
        session.execute(f"create schema {schema}".encode())
    for key in sorted(read):
        contract = replace(found.catalog[key], kind="table", month=None, rules=(), primary_key=())
        session.execute(create_table(contract).encode())
        marks = ", ".join(["%s"] * len(contract.columns))
        with session.cursor() as cursor:
            cursor.executemany(f"insert into {key} values ({marks})".encode(), values(contract, built.rows(key)))
    for key in TABLES:
        contract, names = found.catalog[key], ", ".join(found.catalog[key].column_names)
        session.execute(create_table(contract).encode())
        session.execute(f"insert into {key} ({names})\nselect {names} from (\n{found.sql[key]}\n) as result".encode())


# --- questions


@pytest.mark.parametrize("question", ["assortment_gaps", "competing_products", "tastes_of_groups"])
def test_the_questions_show_what_was_found(question: str, tmp_path: Path) -> None:
    built = build(tmp_path, assortment_drawn.landed(), f"questions.{question}", min_group_size=20)
    ours, expected = built.ordered(f"questions.{question}"), ANSWERS[question](Known(built, None, {}))  # type: ignore[arg-type]
    assert ours and [{name: row[name] for name in expected[0]} for row in ours] == expected
