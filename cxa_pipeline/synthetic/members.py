"""Customers, products, stores and devices as Arrow tables; snapshots as of the shop's last day."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from cxa_pipeline.synthetic.catalog import Catalog, product_id
from cxa_pipeline.synthetic.clock import DAY, Calendar, day_number
from cxa_pipeline.synthetic.draws import Draws, Ints, Keys, look_up
from cxa_pipeline.synthetic.people import People
from cxa_pipeline.synthetic.tables import amounts, ids, moments, words
from cxa_pipeline.synthetic.visits import LONGEST, Visits
from cxa_pipeline.synthetic.vocabulary import (
    ASCII,
    DEVICE_TYPES,
    FEMALE_NAMES,
    LANGUAGES,
    LAST_NAMES,
    MAIL_DOMAINS,
    MALE_NAMES,
    PLACES,
    STORES,
    SYSTEMS,
)

if TYPE_CHECKING:
    import pyarrow as pa

_FREQUENCIES = ("weekly", "fortnightly", "monthly", "quarterly", "annually")
_YEAR = 365.25


def emails(draws: Draws, people: People) -> list[str]:
    """Return the e-mail address of each customer: the name, the number, and a domain that nobody owns."""
    first, last, _ = _names(draws, people)
    domain = draws.choice("mail domain", people.keys, (5, 3, 2))
    spelled: dict[str, str] = {}
    result = []
    for number, (given, family, place) in enumerate(zip(first, last, domain.tolist(), strict=True), start=1):
        for name in (given, family):
            if name not in spelled:
                spelled[name] = "".join(ASCII.get(letter, letter) for letter in name.lower())
        result.append(f"{spelled[given]}.{spelled[family]}{number}@{MAIL_DOMAINS[place]}")
    return result


def guest_emails(draws: Draws, known: pa.Array, mail_of: Ints, customers: Ints, orders: Ints) -> pa.Array:
    """Return the e-mail given with each sales line: by guests their own or a customer's, by some customers too."""
    import pyarrow as pa
    import pyarrow.compute as pc

    keys = draws.keys("stranger", orders)
    strangers = pa.array([f"{name.lower()}.{family.lower()}" for name in ("anna", "jan", "kim", "lou") for family in
                          ("adler", "busch", "dorn", "ernst", "falk", "graf", "horn", "kern")])  # fmt: skip
    name = strangers.take(pa.array(draws.integer("name", keys, 0, len(strangers) - 1)))
    digits = pa.array(orders).cast(pa.string())
    unknown = pc.binary_join_element_wise(name, pc.binary_join_element_wise(".g", digits, ""), "")
    unknown = pc.binary_join_element_wise(unknown, "@example.com", "")
    if not len(known):
        return pc.if_else(pa.array(mail_of == -1), unknown, pa.scalar(None, pa.string()))
    mailed = known.take(pa.array(mail_of, mask=mail_of < 0))
    own = known.take(pa.array(customers, mask=(customers < 0) | ~draws.flag("leaves mail", keys, 0.3)))
    return pc.if_else(pa.array(customers >= 0), own, pc.if_else(pa.array(mail_of == -1), unknown, mailed))


def _names(draws: Draws, people: People) -> tuple[list[str], list[str], Ints]:
    """Return first names, last names, and gender (0 female, 1 male, 2 other)."""
    gender = draws.choice("gender", people.keys, (0.55, 0.435, 0.015))
    female = draws.integer("female name", people.keys, 0, len(FEMALE_NAMES) - 1)
    male = draws.integer("male name", people.keys, 0, len(MALE_NAMES) - 1)
    as_female = (gender == 0) | ((gender == 2) & draws.flag("either name", people.keys, 0.5))
    first = [
        FEMALE_NAMES[f] if is_f else MALE_NAMES[m]
        for f, m, is_f in zip(female.tolist(), male.tolist(), as_female.tolist(), strict=True)
    ]
    last = draws.choice("last name", people.keys, [1.0 / (rank + 12.0) for rank in range(len(LAST_NAMES))])
    return first, [LAST_NAMES[position] for position in last.tolist()], gender


def customers_table(
    draws: Draws, calendar: Calendar, people: People, mails: list[str], earlier_orders: Ints
) -> tuple[pa.Table, Ints]:
    """Return the customers who joined by the last day, and the day on which each row was last changed."""
    import pyarrow as pa

    n = int(np.searchsorted(people.joined, calendar.end, side="right"))
    keys, joined = people.keys[:n], people.joined[:n]
    first, last, gender = _names(draws, people)
    years = np.clip(40.0 + 14.5 * draws.normal("age", keys), 16.5, 88.0)
    born = np.floor(joined - years * _YEAR).astype(np.int64)
    told = draws.uniform("tells age", keys)
    asked = np.concatenate([earlier_orders[:n], np.zeros(max(n - len(earlier_orders), 0), dtype=np.int64)])
    old = (joined < calendar.start) & draws.flag("counted before", keys, 0.9)
    often = np.searchsorted([11.0, 22.0, 46.0, 140.0], 1.3 / np.maximum(people.rate[:n], 1e-9))
    often = np.clip(often + draws.choice("misjudges", keys, (0.15, 0.7, 0.15)) - 1, 0, 4)
    often = np.where(draws.flag("tells frequency", keys, 0.55), often, -1)
    place = np.where(draws.flag("place unknown", keys, 0.035), -1, people.place[:n])
    subscribed = people.subscriber[:n]
    changed = joined * DAY + draws.integer("registered", keys, 7 * 3600, 23 * 3600)
    table = pa.table(
        {
            "customer_id": ids("C", 6, np.arange(1, n + 1)),
            "customer_name": pa.array([f"{a} {b}" for a, b in zip(first[:n], last[:n], strict=True)], pa.string()),
            "email": pa.array(mails[:n], pa.string()),
            "gender": words(("female", "male", "other"), _blank(draws, "gender unknown", keys, 0.04, gender[:n])),
            "age": pa.array(np.floor(years).astype(np.int64), mask=(told < 0.62) | (told > 0.86)),
            "birth_date": pa.array(born.astype("datetime64[D]"), mask=told >= 0.62),
            "location": words([p.name for p in PLACES], place),
            "country_code": words([p.country_code for p in PLACES], place),
            "join_date": pa.array(joined.astype("datetime64[D]")),
            "subscription_status": pa.array(subscribed, mask=draws.flag("subscription unknown", keys, 0.03)),
            "previous_purchases": pa.array(asked, mask=~old),
            "declared_purchase_frequency": words(_FREQUENCIES, often),
            "marketing_consent": pa.array(
                draws.flag("consents", keys, 0.68), mask=draws.flag("never asked", keys, 0.08)
            ),
            "updated_at": moments(calendar.existing(changed)),
        }
    )
    return table, joined


def _blank(draws: Draws, purpose: str, keys: Keys, share: float, codes: Ints) -> Ints:
    return np.where(draws.flag(purpose, keys, share), -1, codes)


def products_table(calendar: Calendar, catalog: Catalog) -> tuple[pa.Table, Ints]:
    """Return the products on sale by the last day at that day's prices, and the day of each row's last change."""
    import pyarrow as pa

    rows = np.flatnonzero(catalog.launched <= calendar.end)
    price = catalog.price(rows, np.full(len(rows), calendar.end))
    new_year = day_number(date(calendar.end_date.year, 1, 1))
    first_seen = np.maximum(catalog.launched[rows], calendar.first)
    changed = np.maximum(first_seen, new_year)
    gone = catalog.retired[rows] <= calendar.end
    changed = np.where(gone, catalog.retired[rows], changed)
    picked = rows.tolist()
    goods = rows < catalog.goods
    stock = np.concatenate([catalog.stock, np.zeros(len(catalog.names) - catalog.goods, dtype=np.int64)])[rows]
    table = pa.table(
        {
            "product_id": pa.array([product_id(i) for i in picked], pa.string()),
            "product_name": pa.array([catalog.names[i] for i in picked], pa.string()),
            "category": pa.array([catalog.categories[i] for i in picked], pa.string()),
            "price": amounts(price),
            "cost": amounts(catalog.costs[rows]),
            "brand": pa.array([catalog.brands[i] for i in picked], pa.string()),
            "size": pa.array([catalog.sizes[i] for i in picked], pa.string()),
            "color": pa.array([catalog.colors[i] for i in picked], pa.string()),
            "season": pa.array([catalog.seasons[i] for i in picked], pa.string()),
            "product_type": pa.array([catalog.types[i] for i in picked], pa.string()),
            "is_active": pa.array(~gone),
            "stock_quantity": pa.array(np.where(gone, 0, stock), mask=~goods),
            "updated_at": moments(changed * DAY + 6 * 3600),
        }
    )
    return table, changed


def stores_table(calendar: Calendar, timezone: str) -> tuple[pa.Table, Ints]:
    """Return the stores; the own web shop is none of them (its sales have no store)."""
    import pyarrow as pa

    opened = np.full(len(STORES), calendar.first, dtype=np.int64)
    table = pa.table(
        {
            "store_id": [store[0] for store in STORES],
            "store_name": [store[1] for store in STORES],
            "location": pa.array([PLACES[s[2]].name if s[3] == "store" else None for s in STORES], pa.string()),
            "country_code": pa.array([PLACES[s[2]].country_code for s in STORES], pa.string()),
            "timezone": [timezone] * len(STORES),
            "channel": [store[3] for store in STORES],
            "updated_at": moments(opened * DAY + 8 * 3600),
        }
    )
    return table, opened


def devices_table(draws: Draws, calendar: Calendar, people: People, visits: Visits) -> tuple[pa.Table, Ints]:
    """Return every device whose visits began by the last day, and the day on which it was first seen."""
    import pyarrow as pa

    _, rows = np.unique(visits.device_number, return_index=True)
    seen_at = calendar.existing(np.maximum(visits.anchor[rows] - LONGEST, calendar.start * DAY))
    kept = seen_at < (calendar.end + 1) * DAY
    rows, seen_at = rows[kept], seen_at[kept]
    keys, kind, place = visits.device[rows], visits.device_type[rows], visits.place[rows]
    bot = kind == len(DEVICE_TYPES)
    systems = [("Linux", "HeadlessChrome"), *[(s[0], s[1]) for group in SYSTEMS for s in group]]
    system, begin = np.zeros(len(rows), dtype=np.int64), 1
    for number, group in enumerate(SYSTEMS):
        picked = begin + draws.choice(f"system {number}", keys, [s[2] for s in group])
        system, begin = np.where(kind == number, picked, system), begin + len(group)
    located = np.where(bot | draws.flag("not located", keys, 0.02), -1, np.minimum(place, len(PLACES) - 1))
    owner, known = _owners(draws, calendar, people, visits, rows)
    version = draws.integer("version", keys, 0, 5)
    table = pa.table(
        {
            "device_id": ids("D", 7, visits.device_number[rows]),
            "customer_id": ids("C", 6, owner),
            "device_type": words([*DEVICE_TYPES, "other"], kind),
            "os": words([s[0] for s in systems], system),
            "browser": words([s[1] for s in systems], system),
            "app_version": words(
                [f"4.{v}.0" for v in range(6)], np.where(draws.flag("app", keys, 0.3) & (kind == 1), version, -1)
            ),
            "language": words([LANGUAGES[p.country_code] for p in PLACES], located),
            "location": words([p.name for p in PLACES], located),
            "country_code": words([p.country_code for p in PLACES], located),
            "is_bot": pa.array(bot),
            "first_seen_at": moments(seen_at),
        }
    )
    return table, np.maximum(seen_at // DAY, known)


def _owners(draws: Draws, calendar: Calendar, people: People, visits: Visits, rows: Ints) -> tuple[Ints, Ints]:
    """Return the number of each device's owner as far as the shop knows it (else 0), and since what day."""
    owner = visits.customer[rows]
    joined = look_up(people.joined, owner, 2**40)
    known = (joined <= calendar.end) & draws.flag("owner known", visits.device[rows], 0.85)
    return np.where(known, owner + 1, 0), np.where(known, joined, 0)
