"""The reference data of shops as landed tables: Online Retail, CDNOW, Complete Journey.

Here: which columns mean what, mapped in plain pandas. Not here: the files themselves, named by CXA_REFERENCE_DATA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import pandas as pd
import pyarrow as pa

from tests.independent import online_retail, shop
from tests.independent.online_retail import reference_data
from tests.independent.tables import arrow_type, project

NAMES = ("Online Retail", "CDNOW", "Complete Journey")


@dataclass(frozen=True)
class ReferenceShop:
    """Rows to build tables from, and the same lines for independent figures.

    Args:
        landed: The landed tables.
        parameters: The one row of core.parameters.
        lines: customer, day and money of each line that has a customer, returns negative.
        orders: customer and day of those lines that are orders.
    """

    landed: Mapping[str, pa.Table]
    parameters: shop.Row
    lines: pd.DataFrame
    orders: pd.DataFrame


def load(name: str) -> ReferenceShop:
    """One of NAMES."""
    return {"Online Retail": _online_retail, "CDNOW": _cdnow, "Complete Journey": _complete_journey}[name]()


def _online_retail() -> ReferenceShop:
    lines = online_retail.sales(reference_data())
    counted = lines[(lines["status"] == "completed") & lines["customer_id"].notna()]
    money = pd.DataFrame(
        {
            "customer": counted["customer_id"],
            "day": pd.to_datetime(counted["sold_date"]),
            "money": counted["total_milli"] / 1000,
        }
    )
    parameters = {**shop.PARAMETERS, "timezone": "Europe/London", "currency": "GBP", "value_min_customers": 500}
    landed = online_retail.landed(lines, project().catalog)
    return ReferenceShop(landed, parameters, money, money[counted["line_type"] == "sale"])


def _cdnow() -> ReferenceShop:
    columns = ["customer", "day", "units", "money"]
    path = reference_data() / "cdnow" / "CDNOW_master.txt.gz"
    read = pd.read_csv(path, sep=r"\s+", skiprows=1, header=None, names=columns, dtype=str)
    day = pd.to_datetime(read["day"])
    return _plain(read["customer"], day, read["money"], read["customer"] + read["day"], pd.Series("CD", read.index))


def _complete_journey() -> ReferenceShop:
    read = pd.read_csv(reference_data() / "completejourney" / "transactions_sample.csv.gz", dtype=str)
    read = read[read["quantity"].astype(float) > 0]
    day = pd.to_datetime(read["transaction_timestamp"]).dt.normalize()
    return _plain(read["household_id"], day, read["sales_value"], read["basket_id"], read["product_id"])


def _plain(
    customer: pd.Series, day: pd.Series, money: pd.Series, order: pd.Series, product: pd.Series
) -> ReferenceShop:
    """Lines without returns and with a day alone, which stands for its noon."""
    amounts = [Decimal(text) for text in money]
    sales = pd.DataFrame(
        {
            "sale_id": [f"L{n}" for n in range(len(customer))],
            "order_id": order.to_numpy(),
            "customer_id": customer.to_numpy(),
            "product_id": product.to_numpy(),
            "quantity": [Decimal(1)] * len(customer),
            "unit_price": amounts,
            "total_price": amounts,
            "sold_at": (day + pd.Timedelta(hours=12)).dt.tz_localize("UTC").to_numpy(),
            "sold_date": day.dt.date.to_numpy(),
            "sold_month": day.dt.to_period("M").dt.start_time.dt.date.to_numpy(),
            "currency": "USD",
            "ts_adjusted": False,
            "source_id": "reference",
            "file_id": "0" * 16,
            "line": 1,
            "row_hash": 0,
        }
    )
    landed = {}
    for contract in project().catalog.of_kind("landed"):
        given = sales if contract.table == "sales" else pd.DataFrame()
        empty = pa.schema([(c.name, arrow_type(c.type)) for c in contract.columns])
        columns = {
            name: pa.Array.from_pandas(given[name], type=empty.field(name).type)
            if name in given
            else pa.nulls(len(given), empty.field(name).type)
            for name in empty.names
        }
        landed[contract.table] = pa.table(columns)
    lines = pd.DataFrame({"customer": customer, "day": day, "money": money.astype(float)})
    parameters = {**shop.PARAMETERS, "timezone": "UTC", "currency": "USD", "value_min_customers": 500}
    return ReferenceShop(landed, parameters, lines, lines)
