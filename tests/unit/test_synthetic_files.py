"""The drop files of the synthetic shop: equal bytes, history that only grows, sound rows, and planted dirt.

Whether the planted effects can be found again is tested in `test_synthetic_truth`.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd
import pytest

from cxa_pipeline.synthetic import ShopConfig, ShopTruth, generate

SMALL = ShopConfig(
    seed=11, start=date(2024, 2, 1), end=date(2024, 6, 20), new_customers_per_day=0.5, products=96, affinities=4, bots=1
)
SAMPLE = Path(__file__).parents[2] / "data" / "sample" / "native"


def rows(directory: Path, dataset: str) -> pd.DataFrame:
    """Return all rows of a dataset as text, file after file."""
    files = sorted(directory.glob(f"{dataset}_*"))
    return pd.concat([pd.read_csv(file, dtype=str, keep_default_na=False) for file in files], ignore_index=True)


def lines(directory: Path, dataset: str) -> list[str]:
    """Return the lines of all files of a dataset without their headers."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(directory.glob(f"{dataset}_*"))]
    return [line for text in texts for line in text.splitlines()[1:]]


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(directory.iterdir())}


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ShopTruth]:
    directory = tmp_path_factory.mktemp("clean")
    return directory, generate(SMALL, directory)


@pytest.mark.parametrize("compressed", [False, True])
def test_equal_configs_write_equal_bytes(tmp_path: Path, compressed: bool) -> None:
    config = replace(SMALL, dirt=0.03, compressed=compressed)
    first, second = generate(config, tmp_path / "a"), generate(config, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert first.as_dict() == second.as_dict()


def test_another_seed_sells_the_same_products_to_other_customers(tmp_path: Path, clean: tuple[Path, ShopTruth]) -> None:
    generate(replace(SMALL, seed=12), tmp_path)
    assert lines(tmp_path, "products") == lines(clean[0], "products")
    assert lines(tmp_path, "customers") != lines(clean[0], "customers")


@pytest.mark.parametrize("dataset", ["sales", "interactions"])
@pytest.mark.parametrize("end", [date(2024, 6, 21), date(2024, 7, 31)])
def test_a_later_end_adds_rows_and_changes_none(
    tmp_path: Path, clean: tuple[Path, ShopTruth], dataset: str, end: date
) -> None:
    generate(SMALL.until(end), tmp_path)
    before, after = lines(clean[0], dataset), lines(tmp_path, dataset)
    assert len(after) > len(before)
    assert after[: len(before)] == before


def test_a_delivery_since_a_day_holds_exactly_what_is_new(tmp_path: Path, clean: tuple[Path, ShopTruth]) -> None:
    whole, day = tmp_path / "whole", tmp_path / "day"
    next_day = SMALL.end + timedelta(days=1)
    generate(SMALL.until(next_day), whole)
    generate(SMALL.until(next_day), day, since=next_day)
    for dataset in ("sales", "interactions"):
        assert lines(clean[0], dataset) + lines(day, dataset) == lines(whole, dataset)
        assert [file.name for file in day.glob(f"{dataset}_*")] == [f"{dataset}_{next_day}.csv"]
    for dataset in ("customers", "devices"):
        old, new = rows(clean[0], dataset), rows(whole, dataset)
        changed = new.merge(old, how="left", indicator=True).query("_merge == 'left_only'").iloc[:, 0]
        assert set(changed) <= set(rows(day, dataset).iloc[:, 0]) if list(day.glob(f"{dataset}_*")) else changed.empty
    assert not list(day.glob("stores_*"))


@pytest.mark.parametrize("split", ["single", "year", "day"])
def test_the_split_into_files_does_not_change_the_rows(
    tmp_path: Path, clean: tuple[Path, ShopTruth], split: str
) -> None:
    truth = generate(replace(SMALL, split=split), tmp_path)
    for dataset in ("sales", "interactions"):
        assert lines(tmp_path, dataset) == lines(clean[0], dataset)
    if split == "day":
        spans = [file for file in truth.files if file.dataset == "sales"]
        assert all(file.first_day == file.last_day for file in spans)
        for file in spans[:5]:
            stamps = pd.read_csv(tmp_path / file.file)["sold_at"].str[:10]
            assert set(stamps) == {str(file.first_day)}


def test_money_of_every_line_adds_up_to_the_cent(clean: tuple[Path, ShopTruth]) -> None:
    sales = rows(clean[0], "sales")
    number = {
        name: pd.to_numeric(sales[name].str.replace(".", "")) if name != "quantity" else pd.to_numeric(sales[name])
        for name in ("quantity", "unit_price", "discount_amount", "total_price")
    }
    gross = number["quantity"] * number["unit_price"]
    assert (gross - number["discount_amount"] == number["total_price"]).all()
    assert (number["discount_amount"] >= 0).all()
    assert (number["discount_amount"] <= gross.abs()).all()
    assert (number["unit_price"] > 0).all()
    assert ((number["total_price"] > 0) == (number["quantity"] > 0)).all()


def test_every_return_gives_back_an_earlier_sale_of_the_same_product(clean: tuple[Path, ShopTruth]) -> None:
    sales = rows(clean[0], "sales")
    sales["quantity"] = pd.to_numeric(sales["quantity"])
    back = sales[sales["quantity"] < 0]
    both = back.merge(sales, left_on="original_sale_id", right_on="sale_id", suffixes=("", "_sold"))
    assert len(back) == len(both) > 10
    assert (both["sold_at"] > both["sold_at_sold"]).all()
    assert (both["product_id"] == both["product_id_sold"]).all()
    assert (both["customer_id"] == both["customer_id_sold"]).all()
    assert (-both["quantity"] <= both["quantity_sold"]).all()
    assert both["original_sale_id"].is_unique
    assert 0.05 < (both["order_id"] != both["order_id_sold"]).mean() < 0.6


def test_keys_are_unique_and_every_reference_is_known(clean: tuple[Path, ShopTruth]) -> None:
    table = {name: rows(clean[0], name) for name in
             ("customers", "products", "stores", "devices", "sales", "interactions")}  # fmt: skip
    for name, frame in table.items():
        assert frame.iloc[:, 0].is_unique, name
        assert (frame.iloc[:, 0] != "").all(), name
    for fact in ("sales", "interactions"):
        for key, members in (("customer_id", "customers"), ("product_id", "products")):
            assert set(table[fact][key]) - {""} <= set(table[members][key]), (fact, key)
    assert set(table["sales"]["store_id"]) - {""} <= set(table["stores"]["store_id"])
    assert set(table["interactions"]["device_id"]) - {""} <= set(table["devices"]["device_id"])
    assert set(table["devices"]["customer_id"]) - {""} <= set(table["customers"]["customer_id"])
    assert not ((table["interactions"]["customer_id"] == "") & (table["interactions"]["device_id"] == "")).any()
    joined = table["sales"].merge(table["customers"], on="customer_id")
    assert (joined["sold_at"].str[:10] >= joined["join_date"]).all()
    assert (table["interactions"].loc[table["interactions"]["event_type"] == "view", "product_id"] != "").all()


def test_purchase_events_match_sales_and_stores_have_none(clean: tuple[Path, ShopTruth]) -> None:
    sales, events = rows(clean[0], "sales"), rows(clean[0], "interactions")
    bought = events[events["event_type"] == "purchase"]
    sold = sales[pd.to_numeric(sales["quantity"]) > 0]
    both = bought.merge(sold, on=["order_id", "product_id"], suffixes=("", "_sold"))
    assert len(both) == len(bought) > 100
    apart = pd.to_datetime(both["occurred_at"]) - pd.to_datetime(both["sold_at"])
    assert apart.between(pd.Timedelta(0), pd.Timedelta("2s")).all()
    assert (both["value"] == both["total_price"]).all()
    assert (both["store_id"] == "").all()
    online = sold[sold["store_id"] == ""]
    assert 0.8 < online["order_id"].isin(bought["order_id"]).mean() < 0.97


def test_visits_walk_from_view_to_cart_to_purchase(clean: tuple[Path, ShopTruth]) -> None:
    events = rows(clean[0], "interactions")
    order = events[events["event_type"] == "purchase"].drop_duplicates("order_id")
    for _, purchase in order.head(40).iterrows():
        begin = str(pd.Timestamp(purchase["occurred_at"]) - pd.Timedelta(minutes=90))
        visit = events[(events["device_id"] == purchase["device_id"]) & (events["occurred_at"] >= begin)]
        of_product = visit[visit["product_id"] == purchase["product_id"]].sort_values("interaction_id")
        first = of_product.drop_duplicates("event_type")["event_type"].tolist()
        assert [step for step in first if step in ("view", "cart", "purchase")] == ["view", "cart", "purchase"]


def test_the_shop_has_the_cases_that_analytics_must_survive(clean: tuple[Path, ShopTruth]) -> None:
    sales, events = rows(clean[0], "sales"), rows(clean[0], "interactions")
    customers, products = rows(clean[0], "customers"), rows(clean[0], "products")
    seconds = sales[pd.to_numeric(sales["quantity"]) > 0].groupby("order_id")["sold_at"].agg(["nunique", "size"])
    assert ((seconds["size"] > 1) & (seconds["nunique"] == 1)).any()
    assert (seconds["nunique"] > 1).any()
    assert (customers["customer_id"].isin(events["customer_id"])).mean() < 0.95
    assert not set(customers["customer_id"]) <= set(sales["customer_id"])
    guests = sales[sales["customer_id"] == ""]
    assert (guests["customer_email"] != "").any()
    assert (guests["customer_email"] == "").any()
    assert guests["customer_email"].isin(set(customers["email"]) - {""}).any()
    assert {"completed", "cancelled", "refunded", ""} <= set(sales["status"])
    assert {"goods", "service", "voucher"} == set(products["product_type"])
    assert set(sales["product_id"]) & set(products.loc[products["product_type"] == "service", "product_id"])
    for column in ("gender", "age", "birth_date", "location", "marketing_consent", "subscription_status"):
        assert 0.0 < (customers[column] == "").mean() < 0.9, column
    assert products["product_name"].is_unique
    assert customers["email"].is_unique
    bots = rows(clean[0], "devices").query("is_bot == 'true'")["device_id"]
    per_device = events["device_id"].value_counts()
    assert per_device[bots].min() > 5 * per_device[per_device.index != ""].median()


def test_no_time_lies_in_the_hour_that_summer_time_skips(tmp_path: Path) -> None:
    config = replace(SMALL, start=date(2024, 3, 25), end=date(2024, 4, 5), new_customers_per_day=8.0, split="single")
    generate(config, tmp_path)
    for dataset, column in (("sales", "sold_at"), ("interactions", "occurred_at")):
        stamps = pd.to_datetime(rows(tmp_path, dataset)[column])
        stamps.dt.tz_localize("Europe/Berlin", nonexistent="raise", ambiguous=True)
        assert stamps.min() >= pd.Timestamp("2024-03-25")
        assert stamps.max() < pd.Timestamp("2024-04-06")


@pytest.mark.parametrize("split", ["month", "day", "single"])
def test_the_manifest_of_dirt_adds_up_with_the_files(tmp_path: Path, split: str) -> None:
    config = replace(SMALL, dirt=0.04, split=split)
    truth = generate(config, tmp_path)
    assert {file.file for file in truth.files} == {file.name for file in tmp_path.iterdir()}
    for file in truth.files:
        assert file.rows == file.accepted + file.duplicates + sum(file.rejected.values())
        written = (tmp_path / file.file).read_text(encoding="utf-8").splitlines()
        assert len(written) == file.rows + 1
        width = written[0].count(",")
        assert sum(line.count(",") != width for line in written) == file.rejected.get("malformed_row", 0)
    planted = sum(file.rows - file.accepted for file in truth.files)
    assert planted / sum(file.rows for file in truth.files) == pytest.approx(0.04 * 0.8, rel=0.25)
    for dataset, all_rows in (("sales", truth.sales_lines["all"]), ("interactions", truth.interactions["all"])):
        assert sum(file.accepted for file in truth.files if file.dataset == dataset) == all_rows
    assert (sum(file.late for file in truth.files) > 0) == (config.dirt > 0)


def test_faulty_rows_are_extra_so_that_the_rest_is_the_clean_shop(
    tmp_path: Path, clean: tuple[Path, ShopTruth]
) -> None:
    later = SMALL.end + timedelta(days=3)  # what is late by then has arrived
    generate(replace(SMALL, dirt=0.05, end=later), tmp_path)
    for dataset in ("sales", "interactions"):
        dirty = lines(tmp_path, dataset)
        good = {line for line in dirty if line[1] != "X"}
        assert set(lines(clean[0], dataset)) <= good
        assert len(dirty) > len(good)


def test_planted_faults_have_the_reason_that_the_manifest_names(tmp_path: Path) -> None:
    truth = generate(replace(SMALL, dirt=0.2, split="single"), tmp_path)
    file = next(file for file in truth.files if file.dataset == "sales")
    text = (tmp_path / file.file).read_text(encoding="utf-8").splitlines()
    width = text[0].count(",")
    frame = pd.DataFrame([line.split(",") for line in text[1:] if line.count(",") == width],
                         columns=text[0].split(","))  # fmt: skip
    frame = frame[frame["sale_id"].str.startswith("LX")]
    found = {
        "missing:product_id": (frame["product_id"] == "").sum(),
        "missing:sold_at": (frame["sold_at"] == "").sum(),
        "amount_missing": (frame["total_price"] == "").sum(),
        "not_a_date:sold_at": frame["sold_at"].str.startswith("2024-02-31").sum(),
        "out_of_range:sold_at": frame["sold_at"].str.startswith("2099").sum(),
        "quantity_zero": (frame["quantity"] == "0").sum(),
        "not_a_number:quantity": (frame["quantity"] == "two").sum(),
        "negative_price": frame["unit_price"].str.startswith("-").sum(),
    }
    assert {**found, "malformed_row": file.rejected["malformed_row"]} == file.rejected


def test_the_committed_sample_is_what_the_generator_writes(tmp_path: Path) -> None:
    truth = generate(ShopConfig.preset("sample"), tmp_path)
    assert contents(tmp_path) == contents(SAMPLE)
    assert sum(len(text) for text in contents(tmp_path).values()) < 1_000_000
    assert any(file.rejected for file in truth.files)
    assert any(file.duplicates for file in truth.files)


def test_the_truth_file_is_json_that_reads_back(tmp_path: Path, clean: tuple[Path, ShopTruth]) -> None:
    clean[1].write(tmp_path / "elsewhere" / "truth.json")
    read = json.loads((tmp_path / "elsewhere" / "truth.json").read_text(encoding="utf-8"))
    assert read == json.loads(json.dumps(clean[1].as_dict()))
    assert read["config"]["seed"] == 11


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"end": date(2020, 1, 1)}, "before it starts"),
        ({"dirt": 0.5}, "dirt is a share"),
        ({"products": 3}, "48 to 6000"),
        ({"affinities": 200}, "at most 20"),
        ({"device_odds": {"tv": 1.0}}, "desktop, mobile and tablet"),
        ({"spend_q": 1.0}, "infinite"),
    ],
)
def test_a_config_that_makes_no_shop_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ShopConfig(**changes)  # type: ignore[arg-type]


def test_an_unknown_preset_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="sample, demo, large"):
        ShopConfig.preset("huge")


def test_a_shop_without_any_customer_still_has_its_files(tmp_path: Path) -> None:
    config = replace(SMALL, new_customers_per_day=0.0)
    truth = generate(config, tmp_path)
    assert truth.sales_lines["all"] == 0
    assert truth.totals["net_sales"] == "0.00"
    assert [file.name for file in tmp_path.glob("products_*")] == [f"products_{config.end}.csv"]


def test_a_shop_of_one_day_has_rows_of_that_day_alone(tmp_path: Path) -> None:
    generate(replace(SMALL, start=date(2024, 5, 4), end=date(2024, 5, 4), new_customers_per_day=5.0), tmp_path)
    assert set(rows(tmp_path, "sales")["sold_at"].str[:10]) == {"2024-05-04"}
    assert set(rows(tmp_path, "interactions")["occurred_at"].str[:10]) == {"2024-05-04"}
