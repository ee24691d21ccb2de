"""The tables of behavior about ways through a visit and its pages, computed anew in plain Python.

Here: transitions, top paths, entry and exit pages, written from the definitions and not from the SQL. Not here: the
rows that they read (`visits_behaviour`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import pairwise
from statistics import median

from tests.independent.kpi import Row, ratio
from tests.independent.visits_behaviour import Behaviour, Rows, converted, grouped, interval, summed

MOST_STATES = 20
MOST_STEPS = 5
MOST_PATHS = 100
MOST_ADDRESSES = 1000
State = tuple[Row, str]


def in_order(events: Rows) -> Rows:
    return sorted(events, key=lambda e: (e["occurred_at"], e["step_rank"], e["event_id"]))


def as_tracked(events: Rows) -> Rows:
    """By moment and step, then as the tracker has them; sales that joined the visit have no position and come first."""
    return sorted(events, key=lambda e: (e["occurred_at"], e["step_rank"], e["session_position"] or 0))


def ways(shop: Behaviour, level: str) -> dict[str, list[State]]:
    """Each visit's events with their states, in order; START and EXIT are no names of pages."""
    of_visits = (e for e in shop.activity if e["session_id"] in shop.by_session and e[level] is not None)
    sessions = grouped(of_visits, "session_id")
    return {
        session: [(e, e[level].lower() if e[level] in ("START", "EXIT") else e[level]) for e in as_tracked(events)]
        for session, events in sessions.items()
    }


def transitions(shop: Behaviour) -> Rows:
    """behavior.transitions."""
    return [row for level in ("event_type", "page_type") for row in _transitions(shop, level)]


def _transitions(shop: Behaviour, level: str) -> Rows:
    found = ways(shop, level)
    events = Counter(state for way in found.values() for _, state in way)
    kept = sorted(events, key=lambda state: (-events[state], state))[:MOST_STATES] if level == "page_type" else events
    moves: Counter[tuple[str, str]] = Counter()
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    for way in found.values():
        states = [state if state in kept else "other" for _, state in way]
        moves.update(pairwise(["START", *states, "EXIT"]))
        for pair, (before, after) in zip(pairwise(states), pairwise(way), strict=True):
            seconds[pair].append((after[0]["occurred_at"] - before[0]["occurred_at"]).total_seconds())
    rows = []
    for begin in {begin for begin, _ in moves}:
        total = sum(n for pair, n in moves.items() if pair[0] == begin)
        for goal in {goal for _, goal in moves}:
            if (begin, goal) == ("START", "EXIT"):
                continue
            n, times = moves[begin, goal], seconds.get((begin, goal))
            rows.append(
                {
                    "level": level,
                    "from_state": begin,
                    "to_state": goal,
                    "transitions": n,
                    "from_total": total,
                    "probability": n / total,
                    **interval(n, total),
                    "median_seconds": median(times) if times else None,
                    "low_n": total < shop.small,
                }
            )
    return rows


def top_paths(shop: Behaviour) -> Rows:
    """behavior.top_paths."""
    rows = []
    for level in ("event_type", "page_type"):
        paths: dict[tuple[str, int, bool], Rows] = defaultdict(list)
        found = ways(shop, level)
        for session, way in found.items():
            states = [state for _, state in way]
            steps = [states[0], *[after for before, after in pairwise(states) if before != after]]
            whole = len(steps) <= MOST_STEPS
            name = " > ".join([*steps[:MOST_STEPS], "EXIT"] if whole else steps[:MOST_STEPS])
            paths[name, len(steps[:MOST_STEPS]), whole].append(shop.by_session[session])
        ordered = sorted(paths.items(), key=lambda item: (-len(item[1]), item[0]))
        for rank, ((name, length, whole), visits) in enumerate(ordered[:MOST_PATHS], start=1):
            rows.append(
                {
                    "level": level,
                    "rank": rank,
                    "path": name,
                    "length": length,
                    "is_whole": whole,
                    "sessions": len(visits),
                    "all_sessions": len(found),
                    "share": len(visits) / len(found),
                    "converted_sessions": converted(visits),
                    "session_conversion": converted(visits) / len(visits),
                    **interval(converted(visits), len(visits)),
                    "low_n": len(visits) < shop.small,
                }
            )
    return rows


def entry_exit_pages(shop: Behaviour) -> Rows:
    """behavior.entry_exit_pages."""
    return [row for level in ("page_type", "page_url") for row in _pages(shop, level)]


def _pages(shop: Behaviour, level: str) -> Rows:
    entries, exits = grouped(shop.visits, f"entry_{level}"), grouped(shop.visits, f"exit_{level}")
    hits = grouped((e for e in shop.activity if e["session_id"] in shop.by_session), level)
    all_entries = sum(len(visits) for page, visits in entries.items() if page is not None)
    rows = []
    for page in {*entries, *exits, *hits} - {None}:
        begun, ended, events = entries.get(page, []), exits.get(page, []), hits.get(page, [])
        seen = {e["session_id"] for e in events}
        seen |= {visit["session_id"] for visit in [*begun, *ended]}
        bounces = sum(visit["is_bounce"] for visit in begun)
        rows.append(
            {
                "level": level,
                "page": page,
                "sessions": len(seen),
                "hits": len(events),
                "entries": len(begun),
                "all_entries": all_entries,
                "entry_share": ratio(len(begun), all_entries),
                "entry_bounces": bounces,
                "entry_bounce_rate": ratio(bounces, len(begun)),
                "entry_conversions": converted(begun),
                "entry_conversion": ratio(converted(begun), len(begun)),
                **interval(converted(begun), len(begun), "entry_conversion_ci_low", "entry_conversion_ci_high"),
                "entry_net_sales": summed(begun, "net_sales"),
                "exits": len(ended),
                "exits_without_purchase": len(ended) - converted(ended),
                "exit_rate": ratio(len(ended), len(seen)),
                **interval(len(ended), len(seen)),
                "low_n": len(seen) < shop.small,
            }
        )
    rows.sort(key=lambda row: (-row["sessions"], row["page"]))
    for rank, row in enumerate(rows, start=1):
        row["rank"] = rank
    return rows[:MOST_ADDRESSES] if level == "page_url" else rows
