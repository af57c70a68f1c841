"""`python -m tests.bench`: fill what is not filled, measure, print the table, write var/bench.json.

SIZES=100,1000 says how large, ROUNDS=60 how often; words choose parts, such as `pages` or `bulk`, or single screens.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

import sqlalchemy as sa

from app.config import Settings
from app.core.db import db
from tests.bench import place as places
from tests.bench.app import FLOOR_TABLE
from tests.bench.browse import sign_in_contact
from tests.bench.bulk import measure_bulk
from tests.bench.events import measure_events
from tests.bench.fill.fill import filled
from tests.bench.live import measure_live
from tests.bench.measure import measure_acts, measure_pages, tell_acts, tell_pages
from tests.bench.pages import Site, open_site
from tests.bench.place import Place, running
from tests.bench.report import Report
from tests.bench.server import app_for, serving
from tests.bench.upload import measure_upload
from tests.bench.weight import weigh

FIRST_PORT = int(os.environ.get("BENCH_PORT", "8170"))
PARTS = ("pages", "acts", "weight", "upload", "live", "events", "bulk")
WITH_SERVER = {"pages", "acts", "weight", "upload"}


def main(words: Sequence[str]) -> int:
    sizes = sorted({int(size) for size in os.environ.get("SIZES", "100,1000").split(",")})
    parts = [word for word in words if word in PARTS] or list(PARTS)
    names = [word for word in words if word not in PARTS]
    report = Report()
    with running(FIRST_PORT) as place:
        for size in sizes:
            filled(place, size, say, app_for)
        if WITH_SERVER & set(parts):
            _with_servers(place, sizes, parts, names, report)
        if {"live", "events"} & set(parts):
            _beside(place, sizes, parts, report)
        if "bulk" in parts:
            say("The long works, with the product and with raw SQL …")
            measure_bulk(place, sizes[-1], report, say)
    keep(report)
    print(report.table())
    return 0


def keep(report: Report) -> None:
    """After each part, so that what is measured stays when a later part is stopped."""
    report.write(Settings.from_environment().var / "bench.json")


def say(words: str) -> None:
    print(words, flush=True)


def _with_servers(
    place: Place, sizes: Sequence[int], parts: Sequence[str], names: Sequence[str], report: Report
) -> None:
    rounds = int(os.environ.get("ROUNDS", "60"))
    with ExitStack() as stack:
        sites = [_site(stack, place, size, FIRST_PORT + n) for n, size in enumerate(sizes)]
        if "pages" in parts:
            say(f"Loading the screens, {rounds} times each …")
            tell_pages(report, measure_pages(sites, rounds, names), sites)
            keep(report)
        if "acts" in parts:
            say(f"Doing things, {rounds} times each …")
            tell_acts(report, measure_acts(sites, rounds, names), sites)
            keep(report)
        if "weight" in parts:
            weigh("firm", sites[-1].manager, "/work", report)
            weigh("portal", sites[-1].contacts[0][0], "/portal/", report)
        if "upload" in parts:
            say("Uploading 200 MB …")
            _upload(place, sites[-1], report)
    keep(report)


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


def _upload(place: Place, site: Site, report: Report) -> None:
    with site.app.app_context():
        row = db.session.execute(sa.text("""
            SELECT i.id, i.request_id, rr.contact_id FROM request_item i
            JOIN request_recipient rr ON rr.request_id = i.request_id
            JOIN client_request r ON r.id = i.request_id
            WHERE i.kind = 'upload' AND i.state = 'open' AND r.state IN ('viewed', 'in_progress') ORDER BY i.id LIMIT 1
        """)).one()
        visitor = sign_in_contact(site.app, site.port, row.contact_id)
        db.session.remove()
    measure_upload(visitor, row.request_id, row.id, place.settings, report)


def _beside(place: Place, sizes: Sequence[int], parts: Sequence[str], report: Report) -> None:
    """What is measured beside the web server: open pages, and writers of events."""
    size = sizes[-1] if sizes[-1] <= 1000 or len(sizes) == 1 else sizes[-2]
    with places.copy_of(place, places.name_of(size)) as settings:
        if "live" in parts:
            say("Holding 1,000 pages open …")
            port = FIRST_PORT + 9
            settings = replace(settings, live_url=f"http://localhost:{port}", live_streams=1000)
            with app_for(settings) as app:
                visitor = open_site(app, size, port).manager
            words = ("--worker-class", "app.core.serving.StreamingWorker", "--workers", "1",
                     "--threads", str(settings.live_threads), "--graceful-timeout", "1")
            with serving(settings, port, "app.live.server:app", *words):
                measure_live(port, visitor, settings, report)
        if "events" in parts:
            say("Eight writers of events …")
            measure_events(settings, report)
    keep(report)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
