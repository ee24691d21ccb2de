"""Drawn rows of a shop whose customers differ in all that tables of customers tell apart.

Here: landed rows of customers who buy often, seldom, once or never, stay away, come back, rate, return, buy at a
discount, look and leave carts. Not here: awkward single rows (`shop`), what comes of all (`customers`).
"""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from decimal import Decimal

from tests.independent.shop import Landed, event, sale
from tests.independent.tables import Row, Rows

BEGIN = datetime(2022, 2, 3, 9)
END = datetime(2024, 7, 18, 20)
TRACKED = datetime(2024, 1, 20, 9)
BUYERS = 150
VISITORS = 75
"""Customers without an order; the last five are in no file of customers."""
PACES = (6, 12, 30, 80, 250, 500)
"""Days between two orders."""
CATEGORIES = ("Home", "Toys", "Food", "Garden")
DECLARED = (None, "weekly", "fortnightly", "monthly", "quarterly", "annually")


class Drawn:
    """A shop.

    Args:
        named_returns: How many of the returns name the line that they give back.
        seed: Of the draw.
    """

    def __init__(self, named_returns: float = 0.8, seed: int = 21) -> None:
        self.draw, self.named_returns = random.Random(seed), named_returns
        self.products = [self._product(n) for n in range(18)]
        self.sales: Rows = []
        self.interactions: Rows = []
        for n in range(BUYERS):
            self._buyer(f"b{n:03}")
        for n in range(VISITORS):
            self._visitor(f"v{n:03}")
        for _ in range(40):
            self._order(None, self._moment(BEGIN), Decimal(1), 0.2)
        names = [f"b{n:03}" for n in range(BUYERS)] + [f"v{n:03}" for n in range(VISITORS - 5)]
        self.customers = [self._customer(name) for name in names]

    def landed(self) -> Landed:
        """Rows of the landed tables."""
        return {
            "sales": self.sales,
            "customers": self.customers,
            "products": self.products,
            "stores": [{"store_id": "S1", "channel": "store"}, {"store_id": "W1", "channel": "online"}],
            "devices": [{"device_id": f"d{n}", "device_type": kind} for n, kind in enumerate(("mobile", "desktop"))],
            "interactions": self.interactions,
        }

    def _moment(self, first: datetime, last: datetime = END) -> datetime:
        return first + timedelta(minutes=self.draw.randrange(max(1, int((last - first).total_seconds() // 60))))

    def _product(self, n: int) -> Row:
        return {
            "product_id": f"P{n:02}",
            "product_name": None if n == 3 else f"Product {n}",
            "category": None if n == 7 else CATEGORIES[n % 4],
            "price": None if n == 5 else Decimal(n + 3) * 2,
            "product_type": "service" if n in (11, 17) else "goods",
            "is_active": n != 13,
            "stock_quantity": self.draw.choice([None, 0, 4]) if n % 5 else 7,
        }

    def _customer(self, name: str) -> Row:
        draw = self.draw
        place = draw.choices(["Berlin", "Hamburg", None], (6, 3, 1))[0]
        return {
            "customer_id": name,
            "gender": draw.choice(["female", "male", None]),
            "age": draw.choice([None, 18, 25, 26, 40, 70]),
            "location": "Graz" if name == "b005" else place,
            "join_date": draw.choice([None, BEGIN.date()]),
            "subscription_status": draw.choice([None, True, False]),
            "marketing_consent": draw.choice([None, True, True, False]),
            "previous_purchases": draw.choice([None, None, 0, 1, 9, 30]),
            "declared_purchase_frequency": draw.choice(DECLARED),
        }

    # --- buying --------------------------------------------------------------------------------------------

    def _buyer(self, name: str) -> None:
        draw = self.draw
        kind = draw.choices(["steady", "once", "stopped", "young"], (5, 2, 4, 1))[0]
        pace = draw.choice(PACES)
        begin = (
            END - timedelta(days=25) if kind == "young" else self._moment(max(BEGIN, END - timedelta(days=25 * pace)))
        )
        stop = self._moment(begin) if kind == "stopped" else END
        level, lowered = Decimal(draw.choice([1, 2, 5])), draw.choice([0.0, 0.0, 0.3, 1.0])
        moment = begin
        while moment <= stop:
            self._order(name, moment, level, lowered)
            if draw.random() < 0.04:
                self._order(name, moment + timedelta(minutes=50), level, lowered)
            if kind == "once":
                break
            moment += timedelta(days=pace * draw.uniform(0.6, 1.4))
        for _ in range(draw.choice([0, 0, 1, 3])):
            self._visit(name, self._moment(TRACKED), draw.randrange(8), draw.choice(["", "cart", "wishlist"]))
        if draw.random() < 0.15:
            for _ in range(2):
                self._visit(name, self._moment(END - timedelta(days=70)), 2, "cart")

    def _order(self, name: str | None, moment: datetime, level: Decimal, lowered: float) -> None:
        draw, number = self.draw, f"{len(self.sales):05}"
        liked = sum(map(ord, name or "")) % 4
        for line in range(draw.choice([1, 1, 2, 3])):
            place = 4 * draw.randrange(4) + liked if draw.random() < 0.7 else draw.randrange(18)
            discount = draw.choice(["0.5", "1.25"]) if draw.random() < lowered else None
            row = sale(
                f"s{number}-{line}",
                moment.isoformat(sep=" "),
                draw.choice([1, 1, 2]),
                str((place + 3) * level),
                f"P{place:02}",
                order=f"o{number}",
                customer=draw.choices([name, None, f"b{draw.randrange(BUYERS):03}"], (90, 7, 3))[0],
                discount=discount,
                discount_applied=True if discount is None and draw.random() < 0.02 else None,
                store_id=draw.choice([None, None, "S1", "W1"]),
                status=draw.choice([None] * 20 + ["cancelled"]),
                review_rating=draw.choice([None, None, Decimal("1"), Decimal("3.5"), Decimal("4"), Decimal("5")]),
            )
            self.sales.append(row)
            if draw.random() < 0.1:
                self._return(row, moment + timedelta(days=draw.randrange(60)))

    def _return(self, row: Row, moment: datetime) -> None:
        named = self.draw.random() < self.named_returns
        back = sale(
            f"r{row['sale_id']}",
            min(moment, END).isoformat(sep=" "),
            -1,
            str(row["unit_price"]),
            row["product_id"],
            order=row["order_id"] if self.draw.random() < 0.4 else f"r{row['order_id']}",
            customer=row.get("customer_id") if self.draw.random() < 0.9 else None,
            original_sale_id=row["sale_id"] if named else None,
            review_rating=row["review_rating"] if self.draw.random() < 0.3 else None,
        )
        self.sales.append(back)

    # --- looking -------------------------------------------------------------------------------------------

    def _visitor(self, name: str) -> None:
        draw = self.draw
        first = draw.choice([TRACKED, END - timedelta(days=50), END - timedelta(days=10)])
        views, last = draw.choice([0, 1, 6]), draw.choice(["", "", "cart", "wishlist"])
        for _ in range(draw.choice([1, 2, 4])):
            self._visit(name, self._moment(first), views, last)

    def _visit(self, name: str, moment: datetime, views: int, last: str) -> None:
        draw = self.draw
        device = draw.choice([f"d{draw.randrange(2)}-{name}", f"e-{name}", None])
        kinds = ["visit"] if not views and not last else ["view"] * views + ([last] if last else [])
        liked = sum(map(ord, name)) % 4
        for kind in kinds:
            place = 4 * draw.randrange(4) + liked if draw.random() < 0.6 else draw.randrange(18)
            product = f"P{place:02}" if kind != "visit" and draw.random() < 0.97 else None
            self.interactions.append(
                event(
                    f"i{len(self.interactions):05}",
                    moment.isoformat(sep=" ", timespec="seconds"),
                    kind,
                    customer_id=name,
                    device_id=device,
                    product_id=product,
                )
            )
            moment += timedelta(seconds=draw.choice([20, 45, 300]))
