"""`cxa ask` without a database: which question is meant, and how an answer looks."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from cxa_pipeline.cli import ask as command
from cxa_pipeline.cli.answers import Grid, as_markdown, duration, grid, lay_out, shown
from cxa_pipeline.cli.ask import as_text
from cxa_pipeline.contracts import Column
from cxa_pipeline.errors import RunError
from cxa_pipeline.pipeline.questions import THEMES, Answer, Question, find, nearest, questions
from tests.independent.tables import project

ZONE = ZoneInfo("Europe/Berlin")


@pytest.fixture(scope="module")
def known() -> list[Question]:
    return questions(project())


def names(found: list[Question]) -> list[str]:
    return [question.name for question in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("top5_customers", "top5_customers"),
        ("top5 customers", "top5_customers"),
        ("Who are our five best customers?", "top5_customers"),
        ("convert best products which", "converting_products"),
        ("Which product converts worst", "converting_products"),
        ("where do visitors drop out", "funnel"),
        ("busiest hour", "busiest_times"),
        ("popularity of products", "popular_products"),
        ("which 20 % of customers bring which share", "revenue_by_customer_decile"),
        ("do discounts raise the basket", "discounts_and_baskets"),
        ("coupons", "promo_codes"),
        ("is subscribing worth it: do subscribers spend more", "subscribers"),
        ("express delivery of high-value customers", "shipping_of_high_value_customers"),
        ("win back", "customers_to_win_back"),
        ("Champions slipped", "slipped_champions"),
        ("baskets abandoned yesterday", "carts_abandoned_yesterday"),
        ("why did sales change since last month", "why_sales_changed"),
        ("loyalty", "customer_loyalty"),
        ("come back within 90 days", "customers_coming_back"),
        ("mobile or desktop", "devices"),
        ("time on page", "time_on_product_pages"),
        ("omnichannel", "several_channels"),
        ("one-time buyers", "one_time_buyers"),
        ("year over year", "yoy_growth"),
        ("inventory", "products_to_work_on"),
        ("what does our assortment lack", "assortment_gaps"),
        ("cannibalisation", "competing_products"),
        ("tastes of segments", "tastes_of_groups"),
        ("stars and reviews", "satisfaction"),
    ],
)
def test_a_question_is_found_by_its_name_or_by_words_in_any_order(known: list[Question], words: str, expected: str):
    assert names(find(known, words))[0] == expected


def test_what_fits_as_well_is_named_too_and_the_best_comes_first(known: list[Question]):
    assert names(find(known, "abandoned carts")) == ["carts_abandoned_yesterday", "cart_abandonment"]
    assert names(find(known, "each gender")) == ["customers_by_gender", "revenue_by_gender"]
    assert len(find(known, "customers")) <= 8


def test_where_no_question_has_the_words_its_notes_are_searched(known: list[Question]):
    assert "usability_problems" in names(find(known, "obstacle"))
    assert names(find(known, "robots"))
    assert find(known, "blorp") == []


def test_about_one_product_or_customer_only_what_can_be_asked_so_is_meant(known: list[Question]):
    assert len(find(known, "what to offer")) > 1
    assert names(find(known, "what to offer", ["customer"])) == ["offers_for_customers"]
    assert names(find(known, "top5_products_18_25", ["customer"])) == ["top5_products_18_25"]


def test_words_that_are_spelt_nearly_so_lead_to_what_was_meant(known: list[Question]):
    assert find(known, "abandonnment crat") == []
    assert "cart_abandonment" in names(nearest(known, "abandonnment crat"))
    assert nearest(known, "blorp xyzzy") == []


def test_every_question_has_a_theme_keywords_and_columns_that_are_explained(known: list[Question]):
    for question in known:
        assert question.theme in THEMES[:-1], question.name
        assert len(question.keywords) >= 4, question.name
        assert len(question.text) < 90 and question.notes, question.name
        assert all(column.description for column in question.columns), question.name


SALES = Question(
    name="sales",
    text="What was sold?",
    notes="Read it slowly.",
    sql="select 1",
    columns=(
        Column("rank", "bigint", "x"),
        Column("product_name", "text", "x"),
        Column("net_sales", "numeric(18,4)", "x", unit="shop currency"),
        Column("growth", "double precision", "x", unit="ratio"),
        Column("share", "double precision", "x", unit="share 0-1"),
        Column("first_sold_date", "date", "x"),
        Column("currency", "text", "x"),
        Column("sort_order", "smallint", "x"),
    ),
)
ROWS = [
    (1, "Lamp", Decimal("1234.5000"), 0.125, 0.75, date(2024, 1, 31), "EUR", 1),
    (2, "A long | name", Decimal("411.0000"), None, 0.25, None, "EUR", 2),
]
ANSWER = Answer([column.name for column in SALES.columns], ROWS)


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (Column("orders", "bigint", "x"), 1234567, "1,234,567"),
        (Column("year", "integer", "x"), 2024, "2024"),
        (Column("net_sales", "numeric(18,4)", "x", unit="shop currency"), Decimal("-3.0000"), "-3.00"),
        (Column("units", "numeric(18,4)", "x", unit="units"), Decimal("12.0000"), "12"),
        (Column("units", "numeric(18,4)", "x", unit="units"), Decimal("0.3330"), "0.33"),
        (Column("share", "double precision", "x", unit="share 0-1"), 0.12345, "12.3 %"),
        (Column("yoy", "double precision", "x", unit="ratio"), 0.5, "+50.0 %"),
        (Column("growth", "double precision", "x", unit="ratio"), -0.0001, "0.0 %"),
        (Column("lift", "double precision", "x", unit="ratio"), 1.5, "1.50"),
        (Column("difference", "double precision", "x"), -0.0567, "-0.057"),
        (Column("mean_days", "double precision", "x", unit="days"), 7.0, "7.0"),
        (Column("q_value", "double precision", "x", unit="share 0-1"), 3e-9, "<0.0001"),
        (Column("q_value", "double precision", "x", unit="share 0-1"), 0.04, "0.0400"),
        (Column("median_seconds", "double precision", "x", unit="seconds"), 329.2, "5 min 29 s"),
        (Column("is_complete", "boolean", "x"), True, "yes"),
        (Column("day", "date", "x"), date(2024, 2, 29), "2024-02-29"),
        (Column("ended_at", "timestamptz", "x"), datetime(2024, 7, 1, 22, 30, 59, tzinfo=UTC), "2024-07-02 00:30"),
        (Column("orders", "bigint", "x"), None, "-"),
    ],
)
def test_values_are_written_as_people_read_them(column: Column, value: Any, expected: str):
    assert shown(column, value, ZONE) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (95.7, "1 min 36 s"),
        (3599, "1 h"),
        (3600, "1 h"),
        (86399, "1 d"),
        (-90, "-1 min 30 s"),
    ],
)
def test_durations_have_their_two_largest_units(seconds: float, expected: str):
    assert duration(seconds) == expected


def test_an_answer_hides_its_order_and_says_the_currency_once():
    lines = as_text(SALES, ANSWER, ZONE, 80, 50, notes=True).splitlines()
    assert lines == [
        "What was sold?",
        "rank  product_name   net_sales   growth   share  first_sold_date",
        "   1  Lamp            1,234.50  +12.5 %  75.0 %  2024-01-31",
        "   2  A long | name     411.00        -  25.0 %  -",
        "money in EUR",
        "",
        "Read it slowly.",
    ]


def test_two_currencies_stay_in_their_rows():
    rows = [ROWS[0], (*ROWS[1][:6], "USD", 2)]
    cells = grid(SALES, Answer(ANSWER.columns, rows), ZONE)
    assert cells.currency is None and cells.columns[-1] == "currency"


def test_rows_beyond_the_limit_are_counted_and_no_rows_are_said():
    assert "... 1 more row:" in as_text(SALES, ANSWER, ZONE, 80, 1, notes=False)
    assert as_text(SALES, Answer(ANSWER.columns, []), ZONE, 80, 50, notes=False) == "What was sold?\nno rows\n"


def test_one_row_stands_upright_with_its_numbers_under_each_other():
    assert lay_out(grid(SALES, Answer(ANSWER.columns, ROWS[:1]), ZONE), 80) == [
        "rank                    1",
        "product_name     Lamp",
        "net_sales        1,234.50",
        "growth            +12.5 %",
        "share              75.0 %",
        "first_sold_date  2024-01-31",
    ]


def test_headings_are_folded_before_anything_else():
    cells = Grid(("view_to_purchase_rate", "name"), (True, False), (("1 %", "a"), ("2 %", "b")))
    assert lay_out(cells, 20) == [
        " view_to_",
        "purchase_",
        "     rate  name",
        "      1 %  a",
        "      2 %  b",
    ]


def test_long_texts_are_wrapped_and_numbers_never():
    words = "so many words that they do not fit"
    cells = Grid(("text", "orders"), (False, True), ((words, "1,234,567"), ("few", "1")))
    lines = lay_out(cells, 40)
    assert all(len(line) <= 40 for line in lines)
    assert " ".join(line[:29].strip() for line in lines[1:-1]) == words
    assert lines[1].endswith("1,234,567") and lines[-1].endswith(" 1")


@pytest.mark.parametrize("width", [40, 60, 80, 140])
def test_columns_that_do_not_fit_stand_below_beside_the_first_ones_again(width: int):
    columns = ("rank", "product_id", *(f"figure_{n}" for n in range(20)))
    rows = tuple((str(n), f"P{n}", *("1,234.56" for _ in range(20))) for n in range(3))
    cells = Grid(columns, (True, False, *(True for _ in range(20))), rows)
    lines = lay_out(cells, width)
    assert all(len(line) <= width for line in lines)
    blocks = "\n".join(lines).split("\n\n")
    assert len(blocks) > 1 and all("product_id" in block and "P2" in block for block in blocks)
    assert sorted(word for line in lines for word in line.split() if word.startswith("figure")) == sorted(columns[2:])


def test_markdown_has_all_rows_escaped_and_how_to_read_them():
    assert as_markdown(SALES, grid(SALES, ANSWER, ZONE)).splitlines() == [
        "## What was sold?",
        "",
        "| rank | product_name | net_sales | growth | share | first_sold_date |",
        "| ---: | --- | ---: | ---: | ---: | --- |",
        "| 1 | Lamp | 1,234.50 | +12.5 % | 75.0 % | 2024-01-31 |",
        "| 2 | A long \\| name | 411.00 | - | 25.0 % | - |",
        "",
        "Money in EUR. Read it slowly.",
    ]


class Home:
    """As much of a home as the command needs."""

    project = None

    def facts(self) -> tuple[str, str]:
        return "Europe/Berlin", "EUR"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch):
    other = Question("customers", "Who buys?", "", "select 2\n", "Customers", ("people",))
    monkeypatch.setattr(command, "open_home", Home)
    monkeypatch.setattr(command, "questions", lambda project: [SALES, other])
    monkeypatch.setattr(command, "answer", lambda home, question, about: ANSWER)
    return lambda *words: CliRunner().invoke(command.ask, words, catch_exceptions=True)


def test_without_a_question_all_are_listed_by_theme(ask):
    lines = ask().output.splitlines()
    assert lines.index("Customers") < lines.index("  customers  Who buys?") < lines.index("Other")


def test_the_form_follows_the_name_of_the_file(ask, tmp_path):
    for name, begin in (("a.csv", "rank,product_name"), ("a.md", "## What was"), ("a.txt", "What was"), ("a", "rank,")):
        result = ask("sold", "--output", str(tmp_path / name))
        assert result.exit_code == 0 and "2 rows written" in result.output
        assert (tmp_path / name).read_text().startswith(begin)
    assert ask("sold", "--format", "csv").output.splitlines()[1] == "1,Lamp,1234.5000,0.125,0.75,2024-01-31,EUR,1"


def test_the_sql_is_printed_as_it_is(ask):
    assert ask("people", "--sql").output == "select 2\n"


def test_what_fits_nothing_suggests_what_is_near(ask):
    error = ask("sodl").exception
    assert isinstance(error, RunError) and "sales: What was sold?" in str(error)
    assert "cxa ask" in str(ask("xyzzy").exception)
