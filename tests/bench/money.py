"""What is owed and not yet billed: unfiltered, filtered, before a wall, as of a past day, as a whole list."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

from app.core.clock import today
from tests.bench.browse import Visitor
from tests.bench.fill.firm import count_people
from tests.bench.fill.ids import Kind, bench_id
from tests.bench.pages import Page, Site, turn_of

PAST_DAYS = (20, 60, 90, 200)
PAST_MS = 2_000.0
SOME = 6  # long ones are measured in every sixth round; a person may also take only 40 lists in ten minutes
CLIENTS = ("ashford", "bakery", "rowan", "C000")


def _page(name: str, address: str, query: Callable[[Site, int], str] = lambda *_: "", **more: Any) -> Page:
    def visit(site: Site, turn: int) -> tuple[Visitor, str]:
        return site.partner, f"{address}?{query(site, turn)}".removesuffix("?")

    return Page(name, visit, **more)


def _past(_site: Site, turn: int) -> str:
    return f"on={today() - dt.timedelta(days=turn_of(PAST_DAYS, turn))}"


def _first_of(role: str, site: Site, _turn: int) -> str:
    partners, managers, _ = count_people(site.size)
    number = {"partner": 0, "manager": partners, "person": partners + managers}[role]
    return f"{role}={bench_id(Kind.PERSON, number)}"


def _pages_of(name: str, address: str, whole: str) -> list[Page]:
    """The page everybody opens, and its narrower ones, told beside it: they read every client's row."""
    narrow: dict[str, Any] = {"beside": name}
    long: dict[str, Any] = {"every": SOME}
    return [
        _page(name, address),
        _page(f"{name}, by text", address, lambda _, n: f"q={turn_of(CLIENTS, n)}", **narrow),
        _page(f"{name}, of a manager", address, partial(_first_of, "manager"), **narrow),
        _page(f"{name}, of a partner", address, partial(_first_of, "partner"), **narrow),
        _page(f"{name}, of an office", address, lambda *_: f"office={bench_id(Kind.OFFICE, 0)}", **narrow),
        Page(f"{name}, before a wall", lambda s, n: (s.walled, address), **narrow),
        _page(f"{name}, past day", address, _past, most_ms=PAST_MS, **long),
        _page(f"{name}, whole list", whole, **long, **narrow),
        _page(f"{name}, whole list of a past day", whole, _past, most_ms=PAST_MS, **long),
    ]


MONEY = (
    *_pages_of("WIP by client", "/billing", "/billing/wip.csv"),
    _page("WIP by client, of a person", "/billing", partial(_first_of, "person"), beside="WIP by client"),
    *_pages_of("receivables", "/billing/receivables", "/billing/receivables.csv"),
)  # fmt: skip
