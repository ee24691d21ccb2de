"""The script that the pipeline replaces: pandas and `to_sql`, the way such scripts are written.

Called with a folder of CSV files and the URL of an empty database. It reads, cleans, joins, groups and writes; it keeps
no history, rejects no row with a reason, checks nothing, and readers see the tables come and go. PostgreSQL is all that
it has to keep cleaned rows in, so the interactions go there too. At last it prints seconds by stage.
"""

import sys
import time
from pathlib import Path

import pandas as pd
from sqlalchemy import Engine, create_engine

MEASURES = ["gross_sales", "discounts", "returns", "net_sales", "units"]


def read(folder: Path, name: str, dates: list[str]) -> pd.DataFrame:
    files = [pd.read_csv(path, low_memory=False) for path in sorted(folder.glob(f"{name}_*.csv"))]
    frame = pd.concat(files, ignore_index=True)
    for column in dates:
        frame[column] = pd.to_datetime(frame[column], errors="coerce")
    return frame


def localize(times: pd.Series) -> pd.Series:
    return times.dt.tz_localize("Europe/Berlin", ambiguous=True, nonexistent="shift_forward")


def clean_sales(sales: pd.DataFrame) -> pd.DataFrame:
    sales = sales.drop_duplicates("sale_id").dropna(subset=["sale_id", "product_id", "quantity", "sold_at"])
    sales["sold_at"] = localize(sales["sold_at"])
    sales["sold_date"] = sales["sold_at"].dt.date
    sales["sold_month"] = sales["sold_at"].dt.strftime("%Y-%m")
    sales["store_id"] = sales["store_id"].fillna("__online__")
    sales["status"] = sales["status"].fillna("completed").str.lower()
    for column in ("discount_amount", "shipping_amount", "tax_amount"):
        sales[column] = sales[column].fillna(0)
    price = (sales["quantity"].abs() * sales["unit_price"] - sales["discount_amount"]).clip(lower=0)
    amount = sales["total_price"].abs().fillna(price)
    sale, valid = sales["quantity"] > 0, sales["status"].isin(["completed", "refunded"])
    sales["is_valid"], sales["line_type"] = valid, sale.map({True: "sale", False: "return"})
    sales["gross_sales"] = (amount + sales["discount_amount"]).where(sale & valid, 0)
    sales["discounts"] = sales["discount_amount"].where(sale & valid, 0)
    sales["returns"] = amount.where(~sale & valid, 0)
    sales["net_sales"] = sales["gross_sales"] - sales["discounts"] - sales["returns"]
    sales["units"] = sales["quantity"].where(sale & valid, 0)
    return sales


def clean_interactions(interactions: pd.DataFrame) -> pd.DataFrame:
    interactions = interactions.drop_duplicates("interaction_id").dropna(subset=["interaction_id", "event_type"])
    interactions["occurred_at"] = localize(interactions["occurred_at"])
    interactions["occurred_date"] = interactions["occurred_at"].dt.date
    interactions["event_type"] = interactions["event_type"].str.lower().str.replace(" ", "_")
    return interactions


def with_inferred(members: pd.DataFrame, key: str, *facts: pd.DataFrame) -> pd.DataFrame:
    mentioned = pd.concat([fact[key] for fact in facts]).dropna().unique()
    members = members.drop_duplicates(key).assign(is_inferred=False)
    missing = pd.DataFrame({key: sorted(set(mentioned) - set(members[key])), "is_inferred": True})
    return pd.concat([members, missing], ignore_index=True)


def clean_customers(customers: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    customers["gender"] = customers["gender"].fillna("unknown")
    customers["location"] = customers["location"].fillna("Unknown").str.strip().str.title()
    age = ((as_of - customers["birth_date"]).dt.days / 365.2425).fillna(customers["age"])
    bins, names = [0, 18, 26, 36, 46, 56, 66, 121], ["<18", "18-25", "26-35", "36-45", "46-55", "56-65", "66+"]
    customers["age_group"] = pd.cut(age, bins, labels=names, right=False).astype("object").fillna("Unknown")
    return customers


def make_orders(sales: pd.DataFrame) -> pd.DataFrame:
    lines = sales[sales["is_valid"] & (sales["line_type"] == "sale")].sort_values(["sold_at", "sale_id"])
    orders = lines.groupby("order_id", as_index=False).agg(
        customer_id=("customer_id", "first"),
        ordered_at=("sold_at", "first"),
        order_date=("sold_date", "first"),
        store_id=("store_id", "first"),
        lines=("sale_id", "count"),
        products=("product_id", "nunique"),
        units=("quantity", "sum"),
        gross_sales=("gross_sales", "sum"),
        discounts=("discounts", "sum"),
        shipping=("shipping_amount", "sum"),
        tax=("tax_amount", "sum"),
    )
    returned = sales[sales["returns"] > 0].groupby("order_id")["returns"].sum().rename("linked_returns")
    orders = orders.merge(returned, on="order_id", how="left").fillna({"linked_returns": 0})
    orders["order_value"] = orders["gross_sales"] - orders["discounts"]
    orders = orders.sort_values(["customer_id", "ordered_at", "order_id"])
    orders["order_number"] = orders.groupby("customer_id").cumcount() + 1
    orders["previous_order_date"] = orders.groupby("customer_id")["order_date"].shift()
    return orders


def kpi(sales: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    valid = sales[sales["is_valid"]]
    table = valid.groupby(keys, as_index=False)[MEASURES].sum()
    sold = valid[valid["line_type"] == "sale"].groupby(keys)
    counts = sold.agg(orders=("order_id", "nunique"), customers=("customer_id", "nunique")).reset_index()
    table = table.merge(counts, on=keys, how="left").fillna({"orders": 0, "customers": 0})
    table["aov"] = (table["gross_sales"] - table["discounts"]) / table["orders"]
    return table


def periods(sales: pd.DataFrame, frequency: str) -> pd.DataFrame:
    days = pd.to_datetime(sales["sold_date"])
    table = kpi(sales.assign(period=days.dt.to_period(frequency).dt.start_time), ["period"]).sort_values("period")
    table["net_sales_growth"] = table["net_sales"].pct_change()
    return table


def write(engine: Engine, name: str, frame: pd.DataFrame) -> None:
    schema, table = name.split(".")
    frame.to_sql(table, engine, schema=schema, if_exists="replace", index=False, chunksize=10_000)
    with engine.begin() as connection:
        key = {"core.sales": "sale_id", "core.orders": "order_id", "core.customers": "customer_id"}.get(name)
        if key:
            connection.exec_driver_sql(f"alter table {name} add primary key ({key})")


def main(folder: Path, url: str) -> None:
    begun = time.perf_counter()
    customers = read(folder, "customers", ["birth_date", "join_date"])
    products, stores = read(folder, "products", []), read(folder, "stores", [])
    devices = read(folder, "devices", ["first_seen_at"])
    sales = clean_sales(read(folder, "sales", ["sold_at"]))
    interactions = clean_interactions(read(folder, "interactions", ["occurred_at"]))

    as_of = pd.Timestamp(max(sales["sold_date"].max(), interactions["occurred_date"].max()))
    customers = clean_customers(with_inferred(customers, "customer_id", sales, interactions), as_of)
    products = with_inferred(products, "product_id", sales, interactions)
    products["category"] = products["category"].fillna("Unknown").str.split("/").str[0]
    devices = with_inferred(devices, "device_id", interactions)
    devices["device_type"] = devices["device_type"].fillna("unknown")
    stores = with_inferred(stores, "store_id", sales)
    orders = make_orders(sales)

    merged = sales.merge(products[["product_id", "product_name", "category"]], on="product_id", how="left")
    merged = merged.merge(customers[["customer_id", "gender", "age_group", "location"]], on="customer_id", how="left")
    merged["location"] = merged["location"].fillna("Guest")

    computed = time.perf_counter()
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("create schema core; create schema kpi")
    write(engine, "core.customers", customers)
    write(engine, "core.products", products)
    write(engine, "core.stores", stores)
    write(engine, "core.devices", devices)
    write(engine, "core.sales", sales)
    write(engine, "core.orders", orders)
    before = time.perf_counter()
    write(engine, "core.interactions", interactions)
    events = time.perf_counter() - before
    for name, frequency in (("daily", "D"), ("weekly", "W"), ("monthly", "M"), ("quarterly", "Q"), ("yearly", "Y")):
        write(engine, f"kpi.{name}", periods(sales, frequency))
    write(engine, "kpi.by_product", kpi(merged, ["sold_month", "product_id", "product_name", "category"]))
    write(engine, "kpi.by_category", kpi(merged, ["sold_month", "category"]))
    write(engine, "kpi.by_store", kpi(merged, ["sold_month", "store_id"]))
    write(engine, "kpi.by_location", kpi(merged, ["sold_month", "location"]))
    engine.dispose()
    written = time.perf_counter() - computed - events
    print(f"read and compute {computed - begun:.1f}, write {written:.1f}, write interactions {events:.1f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
