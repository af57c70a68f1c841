"""Eight writers recording events: with the chain being sealed beside them, and without a chain at all."""

from __future__ import annotations

import multiprocessing
import re
import time
from typing import Any

import sqlalchemy as sa

from app.activity import commands as activity
from app.config import Settings
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.ids import new_id
from tests.bench.report import Report, Row
from tests.bench.server import app_for

# What fills the outbox in the product's own statement.
WITHOUT_OUTBOX = re.compile(r",\s*waiting AS \(\s*INSERT INTO outbox.*?FROM next\s*\)", re.S)
WRITERS, SECONDS, TURNS, SHARE, LAG, START_SECONDS = 8, 5.0, 2, 0.9, 2.0, 180


class _Subject:
    """Anything that an event can be about."""

    __tablename__ = "client"

    def __init__(self) -> None:
        self.id = new_id()


def measure_events(settings: Settings, report: Report) -> None:
    """The two ways turn about; the rate is that of transactions, each with one event."""
    rates: dict[bool, list[float]] = {True: [], False: []}
    lags = []
    for _ in range(TURNS):
        for chained in (False, True):
            rate, lag = _round(settings, chained)
            rates[chained].append(rate)
            lags.append(lag)
    sealed, unchained = max(rates[True]), max(rates[False])
    ratio, longest = round(sealed / unchained, 2), max(lags)
    report.rows.append(Row(
        f"events, {sealed:,.0f} a second sealed", None, p95_ms=round(longest * 1000), ratio=ratio,
        goal=f"≥ {SHARE:g} of {unchained:,.0f} unchained, lag ≤ {LAG:g} s", ok=ratio >= SHARE and longest <= LAG,
    ))


def _round(settings: Settings, chained: bool) -> tuple[float, float]:
    """Events a second, and the longest that one has waited for its seal."""
    context: Any = multiprocessing.get_context("spawn")
    ready, go, done = context.Semaphore(0), context.Event(), context.Value("q", 0)
    over = context.Event()
    workers = [context.Process(target=_write, args=(settings, chained, ready, go, done)) for _ in range(WRITERS)]
    lag = context.Value("d", 0.0)
    sealer = context.Process(target=_seal, args=(settings, ready, go, over, lag))
    for process in [*workers, *([sealer] if chained else [])]:
        process.daemon = True
        process.start()
    for _ in range(len(workers) + chained):
        if not ready.acquire(timeout=START_SECONDS):
            raise RuntimeError("A writer of events did not start.")
    go.set()
    for process in workers:
        process.join()
    over.set()
    if chained:
        sealer.join()
    return done.value / SECONDS, float(lag.value)


def _write(settings: Settings, chained: bool, ready: Any, go: Any, done: Any) -> None:
    if not chained:
        activity._INSERT = sa.text(WITHOUT_OUTBOX.sub("", str(activity._INSERT)))
    with app_for(settings):
        _record()
        ready.release()
        go.wait()
        until, count = time.monotonic() + SECONDS, 0
        while time.monotonic() < until:
            _record()
            count += 1
        with done.get_lock():
            done.value += count


def _record() -> None:
    with transaction():
        activity.record("clients.client.update", _Subject(), by=SYSTEM, name="Acme Ltd", changes={"phone": ["1", "2"]})
    db.session.remove()


def _seal(settings: Settings, ready: Any, go: Any, over: Any, lag: Any) -> None:
    """The sealer as the scheduler keeps it going, once a second; before each time, how long the oldest has waited."""
    with app_for(settings):
        ready.release()
        go.wait()
        begun = clock.now()
        while not over.is_set():
            started = time.monotonic()
            waited = db.session.scalar(sa.text(
                "SELECT extract(epoch FROM clock_timestamp() - min(e.at)) "
                "FROM outbox o JOIN event e ON e.id = o.event_id WHERE e.at > :begun"
            ), {"begun": begun})
            lag.value = max(lag.value, float(waited or 0))
            while activity.seal_events() == activity.BATCH:
                pass
            db.session.remove()
            over.wait(max(0.0, 1.0 - (time.monotonic() - started)))
