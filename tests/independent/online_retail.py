"""Online Retail as canonical rows, mapped in plain pandas and independent of the project's own mapping.

Here: the rules of the reference sheet (returns, adjustments, services, guests, surplus lines), applied to the file
named by CXA_REFERENCE_DATA. Not here: figures (`metrics`), the expected numbers (they stand in the tests).
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from cxa_pipeline.contracts import Catalog, Contract
from tests.independent.tables import arrow_type

ADJUSTMENTS = ("B", "AMAZONFEE", "CRUK")


def reference_data() -> Path:
    """The folder of the reference data; skips the test where it is not given."""
    folder = os.environ.get("CXA_REFERENCE_DATA")
    if not folder:
        pytest.skip("CXA_REFERENCE_DATA is not set: no reference data on this machine")
    return Path(folder)


def sales(folder: Path) -> pd.DataFrame:
    """Every accepted line with its canonical columns; amounts in thousandths as integers (`total_milli`)."""
    raw = pd.read_csv(folder / "online_retail" / "online_retail.csv.gz", dtype=str, keep_default_na=False)
    raw.columns = [name.strip().lower().replace(" ", "").replace("_", "") for name in raw.columns]
    price = (raw["unitprice"].astype(float) * 1000).round().astype("int64")
    quantity = raw["quantity"].astype("int64")
    product = raw["stockcode"].str.strip().str.upper()
    customer = raw["customerid"].str.strip().str.replace(r"\.0$", "", regex=True)
    sold = pd.to_datetime(raw["invoicedate"])
    lines = pd.DataFrame(
        {
            "sale_id": [f"L{n}" for n in range(len(raw))],
            "order_id": raw["invoiceno"].str.strip(),
            "customer_id": customer.where(customer != "", None),
            "product_id": product,
            "quantity": quantity,
            "price_milli": price,
            "total_milli": quantity * price,
            "sold": sold,
            "sold_date": sold.dt.date,
            "sold_month": sold.dt.to_period("M").dt.start_time.dt.date,
            "status": "completed",
            "country": raw["country"].str.strip(),
            "description": raw["description"].str.strip(),
        }
    )
    returned = lines["order_id"].str.startswith("C") | (lines["quantity"] < 0)
    lines["line_type"] = returned.map({True: "return", False: "sale"})
    lines.loc[(price == 0) | product.isin(ADJUSTMENTS), "status"] = "adjustment"
    return lines[price >= 0].reset_index(drop=True)


def landed(lines: pd.DataFrame, contracts: Catalog) -> dict[str, pa.Table]:
    """The lines as the landed tables of the project, for its models to read."""
    moments = lines["sold"].dt.tz_localize("Europe/London", ambiguous=True, nonexistent="shift_forward")
    sold = lines.assign(
        quantity=[Decimal(int(n)) for n in lines["quantity"]],
        unit_price=[Decimal(int(n)) / 1000 for n in lines["price_milli"]],
        sold_at=moments.dt.tz_convert("UTC"),
        currency="GBP",
        ts_adjusted=False,
    )
    known = lines.dropna(subset="customer_id").drop_duplicates("customer_id", keep="last")
    tables = {
        "sales": sold,
        "customers": pd.DataFrame({"customer_id": known["customer_id"], "location": known["country"]}),
    }
    empty = {contract.table: pd.DataFrame() for contract in contracts.of_kind("landed")}
    return {name: _table(frame, contracts[f"landed.{name}"]) for name, frame in {**empty, **tables}.items()}


def _table(frame: pd.DataFrame, contract: Contract) -> pa.Table:
    trace = {"source_id": "online_retail", "file_id": "0" * 16, "line": 1, "row_hash": 0}
    columns = {}
    for column in contract.columns:
        type_ = arrow_type(column.type)
        if column.name in frame:
            columns[column.name] = pa.Array.from_pandas(frame[column.name], type=type_)
        else:
            columns[column.name] = pa.array([trace.get(column.name)] * len(frame), type_)
    return pa.table(columns)
