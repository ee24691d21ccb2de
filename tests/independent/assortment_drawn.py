"""A drawn shop whose assortment fits badly, with groups of tastes, and products that are compared and exchanged.

Here: rows of the landed tables. Lamps are wanted far more than there are, toys far less; women like toys; of the lamps
`L0` and `L1` are looked at together and bought instead of each other, `L2` and `L3` with each other. Not here: what the
tables must say of it (`tests/integration/test_models_assortment.py`).
"""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.independent.shop import Landed, event, sale

DAYS = 150
BEGIN = datetime(2024, 1, 10, 9, 0)
SIZES = {"Lamps": 6, "Toys": 12, "Books": 8, "Pens": 3}
CHANCES = {"Lamps": 55, "Toys": 7, "Books": 25, "Pens": 5}
LIKED_BY_WOMEN = {"Lamps": 55, "Toys": 25, "Books": 25, "Pens": 5}


def landed(visits: int = 1500, seed: int = 5) -> Landed:
    """The shop: 250 customers, and of each visit some views, at times a cart and an order."""
    draw = random.Random(seed)
    people = [
        {
            "customer_id": f"c{n:03}",
            "gender": draw.choice(["female", "male", "male", None]),
            "age": draw.choice([22, 30, 41, 70, None]),
            "location": draw.choice(["Berlin", "Köln", "Bonn", None]),
        }
        for n in range(250)
    ]
    events, lines = [], []
    for number in range(visits):
        person = draw.choice(people)
        at = BEGIN + timedelta(days=int(DAYS * number / visits), minutes=draw.randrange(600))
        customer = person["customer_id"] if draw.random() < 0.8 else None
        who = {"customer_id": customer, "device_id": f"d{number}", "session_id": f"s{number}"}
        weights = LIKED_BY_WOMEN if person["gender"] == "female" else CHANCES
        looked = _looked(draw, weights)
        for step, product in enumerate(looked):
            moment = at + timedelta(seconds=30 * step)
            events.append(event(f"v{number}-{step}", str(moment), "view", product_id=product, **who))
            if draw.random() < 0.2:
                events.append(event(f"k{number}-{step}", str(moment), "cart", product_id=product, **who))
        if draw.random() < 0.55:
            store = "S1" if draw.random() < 0.1 else None
            for place, product in enumerate(_bought(draw, looked, weights)):
                moment = at + timedelta(minutes=4)
                given = {"order": f"O{number}", "customer": customer, "store_id": store}
                lines.append(sale(f"l{number}-{place}", str(moment), 1, "10", product, **given))
                if draw.random() < 0.05:
                    back = {**given, "order": f"R{number}"}
                    lines.append(sale(f"r{number}-{place}", str(moment), -1, "10", product, **back))
    return {
        "sales": lines,
        "interactions": events,
        "customers": [{**person, "join_date": date(2024, 1, 1)} for person in people],
        "products": _products(),
        "devices": [],
        "stores": [{"store_id": "S1", "channel": "store"}],
    }


def _products() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for category, size in SIZES.items():
        for n in range(size):
            stock = {1: Decimal(0), 2: Decimal(7)}.get(n)
            name = f"{category[0]}{n}"
            row = {"product_id": name, "product_name": f"{category} {n}", "category": category}
            rows.append(
                {**row, "price": Decimal(n + 5), "is_active": name not in ("T3", "B7"), "stock_quantity": stock}
            )
    return [
        *rows,
        {"product_id": "X0", "product_name": "Nothing known", "is_active": True},
        {"product_id": "Q0", "product_name": "Postage", "category": "Lamps", "product_type": "service"},
        # A shelf that nobody wants, one that is no longer sold.
        *(
            {"product_id": f"Z{n}", "product_name": f"Dust {n}", "category": "Dust", "is_active": True}
            for n in range(6)
        ),
        {"product_id": "Y0", "product_name": "Gone", "category": "Gone", "is_active": False},
    ]


def _looked(draw: random.Random, weights: dict[str, int]) -> list[str]:
    category = draw.choices(list(weights), list(weights.values()))[0]
    if category == "Lamps" and draw.random() < 0.8:
        return list(draw.choice([("L0", "L1"), ("L2", "L3"), ("L4",), ("L5",)]))
    found = [f"{category[0]}{draw.randrange(SIZES[category])}" for _ in range(draw.choice([1, 1, 2, 3]))]
    return [*found, *(["Q0", "X0"] if draw.random() < 0.05 else [])]


def _bought(draw: random.Random, looked: list[str], weights: dict[str, int]) -> list[str]:
    """One of the lamps that are compared, both of those that go together, else any of what was looked at."""
    found = looked if looked == ["L2", "L3"] and draw.random() < 0.8 else [draw.choice(looked)]
    other = draw.choices(list(weights), list(weights.values()))[0]
    more = [f"{other[0]}{draw.randrange(SIZES[other])}"] if draw.random() < 0.5 else []
    if "L0" in found or "L1" in found:
        more = [product for product in more if product[0] != "L"]
    return sorted({*found, *more})
