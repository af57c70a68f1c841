"""The long works: applying to a thousand clients, the night's recurrence, a bill run; each against raw SQL."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.blueprints import After
from app.catalogue.commands import ServiceValues, StepValues, add_step, create_service, edit_template, publish_template
from app.catalogue.due_rules import DueRule, days
from app.catalogue.models import Cadence, JobTemplate
from app.catalogue.queries import get_service, get_template
from app.clients.access import actor_for
from app.core import clock
from app.core.actors import SYSTEM, Actor
from app.core.clock import today
from app.core.db import db
from app.core.ids import new_id
from app.people.models import Person
from tests.bench import place as places
from tests.bench.fill.ids import Kind, bench_id
from tests.bench.place import Place
from tests.bench.raw import Written, rows_written, write_raw
from tests.bench.report import Report, Row
from tests.bench.server import app_for

STEPS = 20
CLIENTS = 1000
ENGAGEMENTS = 1000
TIMES = 3.0
Say = Callable[[str], None]


@dataclass
class Done:
    """What the product did and how long it took."""

    name: str
    number: int
    seconds: float
    written: Written


def measure_bulk(place: Place, size: int, report: Report, say: Say) -> None:
    """The product's turn on one copy, raw SQL with the very same rows on another."""
    name = places.name_of(size)
    done: list[Done] = []
    with places.copy_of(place, name) as settings, app_for(settings):
        for work in (apply_to_many, bill_run, recurrence):
            since = _mark()
            title, number, seconds = work(size)
            done.append(Done(title, number, seconds, rows_written(*since)))
            say(f"  {title}: {seconds:.1f} s for {number}")
    with places.copy_of(place, name) as settings:
        for each in done:
            raw = write_raw(settings.database_app_url, each.written)
            ratio = round(each.seconds / raw, 2)
            report.rows.append(Row(
                each.name, size, p50_ms=round(each.seconds / each.number * 1000, 2), ratio=ratio,
                goal=f"≤ {TIMES:g} × raw SQL", ok=ratio <= TIMES,
            ))


def _mark() -> tuple[dt.datetime, int]:
    """From here on: what is newer was written by the work under way."""
    moment = db.session.scalar(sa.text("SELECT clock_timestamp()"))
    last = db.session.scalar(sa.text("SELECT coalesce(max(id), 0) FROM event"))
    db.session.rollback()
    assert moment is not None and last is not None
    return moment, last


def _partner() -> Actor:
    return actor_for(db.session.get_one(Person, bench_id(Kind.PERSON, 0)))


def _actor_of(person_id: UUID | None) -> Actor:
    return _partner() if person_id else SYSTEM


def apply_to_many(size: int) -> tuple[str, int, float]:
    """A service of twenty steps to the first thousand clients, as the worker does a run."""
    from app.planning.commands.applications import ApplicationValues, prepare_application, run_application
    from app.runs.commands import work_run

    template = _twenty_steps()
    clients = [bench_id(Kind.CLIENT, n) for n in range(min(size, CLIENTS))]
    by = _partner()
    application = prepare_application(
        new_id(), template, ApplicationValues(Cadence.MONTH, today()), clients, by=by
    )
    run = run_application(application, by=by)
    started = time.perf_counter()
    number = work_run(run.id, _actor_of)
    return f"apply {STEPS} steps to {number:,} clients", number, time.perf_counter() - started


def _twenty_steps() -> JobTemplate:
    service = create_service(new_id(), ServiceValues("Monthly bookkeeping", cadence=Cadence.MONTH), by=SYSTEM)
    stages = get_service(service.id, seen_by=SYSTEM).stages
    draft = db.session.scalars(sa.select(JobTemplate).where(JobTemplate.service_id == service.id)).one()
    edit_template(
        draft, title_pattern="{client} {service} {period}", due_rule=DueRule("period_end", (days(20),)), priority=0,
        fee=None, by=SYSTEM,
    )
    for n in range(STEPS):
        add_step(draft, new_id(), StepValues(
            f"Step {n + 1} of the month", stages[n * len(stages) // STEPS].id, estimate=dt.timedelta(minutes=30),
            due_rule=DueRule("job_due", (days(n - STEPS),)), after=(After("", f"s{n - 1}"),) if n else (),
        ), by=SYSTEM, key=f"s{n}")
    publish_template(draft, by=SYSTEM)
    return get_template(draft.id, seen_by=SYSTEM)


def bill_run(size: int) -> tuple[str, int, float]:
    """Drafts over a thousand engagements, two of a client on one bill."""
    from app.billing.commands.runs import start_bill_run
    from app.billing.queries.billable import list_billable
    from app.runs.commands import work_run

    by = _partner()
    kept, engagements, excluded = 0, 0, []
    for row in list_billable(today(), seen_by=by):
        if engagements + len(row.engagement_ids) > ENGAGEMENTS:
            excluded.append(row.key)
        else:
            kept, engagements = kept + 1, engagements + len(row.engagement_ids)
    run = start_bill_run(new_id(), today(), by=by, excluded=excluded)
    started = time.perf_counter()
    work_run(run.id, _actor_of)
    return f"bill run over {engagements:,} engagements", kept, time.perf_counter() - started


def recurrence(size: int) -> tuple[str, int, float]:
    """The night on which every client's next VAT return falls due; the yearly series rest."""
    from app.planning.background import create_due
    from app.planning.commands.forecasting import top_up_forecasts

    yearly = {"id": bench_id(Kind.SERVICE, 0)}
    db.session.execute(sa.text("UPDATE series SET state = 'paused' WHERE service_id = :id"), yearly)
    db.session.commit()
    night = db.session.scalar(sa.text("""
        SELECT max(first) FROM (SELECT min(o.create_on) AS first FROM occurrence o JOIN series s ON s.id = o.series_id
        WHERE o.state = 'forecast' AND s.state = 'active' GROUP BY o.series_id) f
    """))
    db.session.rollback()
    with clock.travel_to(dt.datetime.combine(night, dt.time(3), dt.UTC)):
        while top_up_forecasts(by=SYSTEM):
            db.session.expire_all()
        started = time.perf_counter()
        number = create_due()
        return f"recurrence over {size:,} clients", number, time.perf_counter() - started
