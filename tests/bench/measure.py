"""Measuring screens and acts in turn, so that a noisy machine is as unkind to the floors as to everything else."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.bench.browse import Answer, Visitor
from tests.bench.money import MONEY
from tests.bench.pages import PAGES, Act, Page, Site, acts_for
from tests.bench.report import Report, Row, middle, percentile

WARM_UP = 12
SCREENS = (*PAGES, *MONEY)
GROWTH = 1.5
HTML_LIMIT = 60_000
ACT_TIMES = 3.0
Say = Callable[[str], None]


@dataclass
class Measured:
    """All tries of one thing at one size."""

    seconds: list[float] = field(default_factory=list)
    queries: set[int] = field(default_factory=set)
    bytes: int = 0
    failure: str = ""

    @property
    def p50(self) -> float:
        return middle(self.seconds) * 1000

    @property
    def p95(self) -> float:
        return percentile(self.seconds, 0.95) * 1000


Found = dict[tuple[str, int], Measured]


def measure_pages(sites: Sequence[Site], rounds: int, names: Sequence[str] = ()) -> Found:
    """Every page of every size once a round, the read floor before each.

    A row is written before each page: in a firm at work, nothing that is remembered until something changes stays long.
    """
    found: Found = defaultdict(Measured)
    plain = {site.size: Visitor(site.port) for site in sites}
    beside = {page.beside for page in SCREENS if page.name in names}
    pages = [page for page in SCREENS if not names or page.name in (*names, *beside)]
    for turn in range(-WARM_UP, rounds):
        for page in pages:
            if turn % page.every:
                continue
            for site in sites:
                _floor(found["read floor", site.size], plain[site.size].get("/floor/read"), turn)
                plain[site.size].post("/floor/write", {"words": "somebody else"})
                _page(found[page.name, site.size], page, site, turn)
    return found


def _floor(measured: Measured, answer: Answer, turn: int) -> None:
    if answer.status != 200:
        raise RuntimeError(f"The floor answered {answer.status}.")
    if turn >= 0:
        measured.seconds.append(answer.seconds)
    measured.queries, measured.bytes = {1}, len(answer.body)


def _page(measured: Measured, page: Page, site: Site, turn: int) -> None:
    if measured.failure:
        return
    try:
        load = page.load(site, turn % 1000 // page.every)
    except (RuntimeError, IndexError, OSError) as error:
        measured.failure = str(error)
        return
    if turn >= 0:
        measured.seconds.append(load.seconds)
        measured.queries.add(load.queries)
        measured.bytes = max(measured.bytes, load.html)


def measure_acts(sites: Sequence[Site], rounds: int, names: Sequence[str] = ()) -> Found:
    """Every act of every size once a round, the write floor before each."""
    found: Found = defaultdict(Measured)
    plain = {site.size: Visitor(site.port) for site in sites}
    acts: dict[int, list[Act]] = {}
    for site in sites:
        with site.app.app_context():
            acts[site.size] = acts_for(site)
    for turn in range(-WARM_UP, rounds):
        for n in range(len(acts[sites[0].size])):
            for site in sites:
                act = acts[site.size][n]
                if names and act.name not in names:
                    continue
                written = plain[site.size].post("/floor/write", {"words": f"turn {turn}"})
                _floor(found["write floor", site.size], written, turn)
                _act(found[act.name, site.size], act, site, turn)
    return found


def _act(measured: Measured, act: Act, site: Site, turn: int) -> None:
    if measured.failure:
        return
    try:
        answer = act.do(site, turn % 1000)
    except (StopIteration, OSError) as error:
        measured.failure = repr(error)
        return
    if answer.status != 200:
        measured.failure = f"answered {answer.status}"
    elif turn >= 0:
        measured.seconds.append(answer.seconds)
        measured.queries.add(answer.queries)
        measured.bytes = max(measured.bytes, len(answer.text.encode()))


def tell_pages(report: Report, found: Found, sites: Sequence[Site]) -> None:
    smallest, largest = sites[0].size, sites[-1].size
    report.read_floor_ms = round(found["read floor", largest].p50, 2)
    for site in sites:
        report.rows.append(_row("read floor", site.size, found["read floor", site.size], None, ""))
    for page in SCREENS:
        for site in sites:
            measured = found.get((page.name, site.size))
            if measured:
                report.rows.append(_page_row(page, site.size, measured, found))
        if largest != smallest and (page.name, largest) in found and not page.grows:
            report.rows.append(_growth(page.name, found, smallest, largest))


def tell_acts(report: Report, found: Found, sites: Sequence[Site]) -> None:
    report.write_floor_ms = round(found["write floor", sites[-1].size].p50, 2)
    for name in dict.fromkeys(name for name, _ in found):
        for site in sites:
            measured = found[name, site.size]
            if name == "write floor":
                report.rows.append(_row(name, site.size, measured, None, ""))
            else:
                floor = found["write floor", site.size]
                report.rows.append(_row(name, site.size, measured, floor, f"≤ {ACT_TIMES:g} × write floor", ACT_TIMES))


def _page_row(page: Page, size: int, measured: Measured, found: Found) -> Row:
    if page.most_ms is not None:
        row = _row(page.name, size, measured, None, f"≤ {page.most_ms:,.0f} ms")
        row.ok = row.p50_ms is not None and row.p50_ms <= page.most_ms
        return row
    if page.beside:
        row = _row(page.name, size, measured, found[page.beside, size], f"beside {page.beside}", math.inf)
        row.ok = None if row.ok else False
        return row
    return _row(page.name, size, measured, found["read floor", size], f"≤ {page.times:g} × read floor", page.times)


def _row(name: str, size: int, measured: Measured, floor: Measured | None, goal: str, times: float = 0.0) -> Row:
    if measured.failure or not measured.seconds:
        return Row(name, size, goal=f"{goal}; {measured.failure}", ok=False)
    row = Row(
        name, size, round(measured.p50, 2), round(measured.p95, 2), max(measured.queries), measured.bytes, goal=goal
    )
    if floor is not None:
        row.ratio = round(measured.p50 / floor.p50, 2)
        row.ok = row.ratio <= times
        if not name.endswith(("floor", "whole list")) and measured.bytes > HTML_LIMIT:
            row.goal += ", HTML ≤ 60 KB"
            row.ok = False
    return row


def _growth(name: str, found: Found, smallest: int, largest: int) -> Row:
    """A page's time at the largest size against its own at the smallest, and whether its queries stay the same."""
    small, large = found[name, smallest], found[name, largest]
    row = Row(f"{name}, growth", largest, goal=f"≤ {GROWTH:g} × its time at {smallest}, same queries", ok=False)
    if small.seconds and large.seconds:
        row.ratio = round(large.p50 / small.p50, 2)
        row.queries = max(large.queries) - max(small.queries)
        row.ok = row.ratio <= GROWTH and row.queries <= 0
    return row
