"""Online Retail as canonical rows, mapped in plain pandas and independent of the project's own mapping.

Here: the rules of the reference sheet (returns, adjustments, services, guests, surplus lines), applied to the file
named by CXA_REFERENCE_DATA. Not here: figures (`metrics`), the expected numbers (they stand in the tests).
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

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
