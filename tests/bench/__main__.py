"""`python -m tests.bench`: fill what is not filled, measure, print the table, write var/bench.json.

SIZES=100,1000 says how large; ROUNDS=60 how often; a word or more, such as `pages` or `bulk`, which parts.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack

from app.config import Settings
from tests.bench import place as places
from tests.bench.app import FLOOR_TABLE
from tests.bench.bulk import measure_bulk
from tests.bench.fill.fill import filled
from tests.bench.measure import measure_acts, measure_pages, tell_acts, tell_pages
from tests.bench.pages import Site, open_site
from tests.bench.place import Place, running
from tests.bench.report import Report
from tests.bench.server import app_for, serving

FIRST_PORT = int(os.environ.get("BENCH_PORT", "8170"))
PARTS = ("pages", "acts", "bulk")


def main(words: Sequence[str]) -> int:
    sizes = sorted({int(size) for size in os.environ.get("SIZES", "100,1000").split(",")})
    parts = [word for word in words if word in PARTS] or list(PARTS)
    names = [word for word in words if word not in PARTS]
    report = Report()
    with running(FIRST_PORT) as place:
        for size in sizes:
            filled(place, size, print, app_for)
        if {"pages", "acts"} & set(parts):
            _screens(place, sizes, parts, names, report)
        if "bulk" in parts:
            print("The long works …", flush=True)
            measure_bulk(place, sizes[-1], report, print)
    print(report.table())
    report.write(Settings.from_environment().var / "bench.json")
    return 0


def _screens(place: Place, sizes: Sequence[int], parts: Sequence[str], names: Sequence[str], report: Report) -> None:
    rounds = int(os.environ.get("ROUNDS", "60"))
    with ExitStack() as stack:
        sites = [_site(stack, place, size, FIRST_PORT + n) for n, size in enumerate(sizes)]
        if "pages" in parts:
            print(f"Loading the screens, {rounds} times each …", flush=True)
            tell_pages(report, measure_pages(sites, rounds, names), sites)
        if "acts" in parts:
            print(f"Doing things, {rounds} times each …", flush=True)
            tell_acts(report, measure_acts(sites, rounds, names), sites)


def _site(stack: ExitStack, place: Place, size: int, port: int) -> Site:
    """A copy of the filled database behind a web server of its own, everybody signed in."""
    settings = stack.enter_context(places.copy_of(place, places.name_of(size)))
    with place.admin(f"{places.name_of(size)}_run") as admin:
        admin.execute(FLOOR_TABLE)
        admin.execute(f"GRANT SELECT, INSERT ON bench_floor TO {places.PREFIX}_app".encode())
    with app_for(settings) as app:
        site = open_site(app, size, port)
    stack.enter_context(serving(settings, port))
    return site


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
