"""What a client's changed year end, VAT quarters or standing does to series and jobs to come, told beforehand."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import joinedload

from app.billing.policy import can_see_wip
from app.catalogue.blueprints import Blueprint
from app.catalogue.queries import get_blueprint
from app.clients.changes import ClientChange, Effect, foresees
from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.wording import amount, counted, day
from app.jobs.dates import AnchorsMoved, JobDates, Move, Part, difference
from app.jobs.models import Job, JobStatus
from app.jobs.overruns import Overrun, overrun_of
from app.jobs.queries.dates import dates_of_jobs
from app.ledger.models import Account
from app.ledger.queries import balance_of
from app.planning.commands.forecasting import by_hand_of, facts_for, history_of, templates_for
from app.planning.facts import ClientFacts, Staffing, staffing
from app.planning.forecast import Forecast, forecasts_of, horizon, pattern_of_series, periods_of
from app.planning.models import Occurrence, Series, SeriesState
from app.planning.periods import Period
from app.planning.plans import JobPlan, Wish, owner_of, plan_job, roles_of
from app.requests.models import ANSWERABLE, ClientRequest, RequestState
from app.requests.policy import requests_seen_by

log = structlog.get_logger()
SERIES_STAYS = "cannot be worked out: it stays, and is tried again every hour"
LONGEST_PERIOD = dt.timedelta(days=2 * 366)
JOB_STAYS = "cannot be worked out: it stays as it is"


@dataclass(frozen=True)
class MovedJob:
    """A job to come with the occurrence that it was made for, its plan under the changed periods, and what moves."""

    job: Job
    occurrence: Occurrence
    period: Period
    plan: JobPlan
    moves: list[Move]
    overrun: Overrun | None

    @property
    def cause(self) -> AnchorsMoved:
        return _cause(self.plan)

    @property
    def due_on(self) -> dt.date | None:
        own = (move.after for move in self.moves if move.part is Part.JOB and not move.is_locked)
        return next(own, self.job.due_on)


def _cause(plan: JobPlan) -> AnchorsMoved:
    return AnchorsMoved({
        "period_start": plan.period_start, "period_end": plan.period_end, "job_start": plan.starts_on
    })


def series_of(client_ids: Collection[UUID], seen_by: Actor) -> Sequence[Series]:
    return db.session.scalars(
        sa.select(Series).where(
            Series.client_id.in_(client_ids), Series.state != SeriesState.ENDED,
            *within_sight(seen_by, Series.client_id, Series.engagement_id),
        ).order_by(Series.id).options(joinedload(Series.service, innerjoin=True))
    ).all()


class Changed:
    """The series of clients with the facts before and after a change of their periods.

    `broken` are those whose periods after it cannot be worked out, and `left` the jobs: they stay as they are.
    """

    def __init__(self, changes: Sequence[ClientChange], seen_by: Actor) -> None:
        of = {change.client_id: change for change in changes}
        rows = series_of(of, seen_by)
        self.templates = templates_for(rows) if rows else {}
        facts = facts_for(rows)
        self.after: dict[Any, ClientFacts] = {
            key: replace(each, **vars(of[each.id].after.years)) for key, each in facts.items()
        }
        self.before = {key: replace(each, **vars(of[each.id].before.years)) for key, each in facts.items()}
        self.rows = [
            row for row in rows
            if pattern_of_series(row, self.before[row.id]) != pattern_of_series(row, self.after[row.id])
        ]
        self.history = history_of([row.id for row in self.rows])
        self.by_hand = by_hand_of([row.id for row in self.rows])
        self.broken = {row.id for row in self.rows if not self._is_sound(row)}
        self.left: list[Job] = []

    def blueprint(self, series: Series) -> Blueprint:
        return get_blueprint(self.templates[series.id])

    def _is_sound(self, series: Series) -> bool:
        try:
            self.next_of(series, self.after[series.id], self.history.get(series.id, []))
        except sa.exc.SQLAlchemyError:
            raise
        except Exception as error:
            log.warning("planning.series.broken", series=str(series.id), error=repr(error))
            return False
        return True

    def next_of(self, series: Series, facts: ClientFacts, history: Sequence[Period]) -> Forecast | None:
        """The first period that is still to come."""
        found = forecasts_of(
            series, self.blueprint(series), series.service.name, facts, horizon(today()), history=history,
            by_hand=self.by_hand.get(series.id),
        )
        return next((each for each in found if each.period_end >= today()), found[-1] if found else None)


def moved_jobs(changed: Changed) -> list[MovedJob]:
    """Jobs about a period that is not over, or would not be, on which nothing is done yet, as they would be under the
    new periods.

    One that cannot be worked out is left as it is.
    """
    sound = [row.id for row in changed.rows if row.id not in changed.broken]
    rows = db.session.execute(
        sa.select(Job, Occurrence).join(Occurrence, Occurrence.job_id == Job.id)
        .where(
            Occurrence.series_id.in_(sound), Job.status == JobStatus.ACTIVE,
            Job.tasks_done == 0, Occurrence.period_start > today() - LONGEST_PERIOD,
        ).order_by(Job.id)
    ).all()
    series = {row.id: row for row in changed.rows}
    staff, dates = staffing() if rows else None, dates_of_jobs([job for job, _occurrence in rows])
    found: list[MovedJob] = []
    for job, occurrence in rows:
        assert staff is not None
        try:
            moved = _moved(changed, series[occurrence.series_id], job, occurrence, staff, dates[job.id])
        except sa.exc.SQLAlchemyError:
            raise
        except Exception:
            log.exception("planning.job.broken", job=str(job.id))
            changed.left.append(job)
        else:
            found += [moved] if moved else []
    return found


def _moved(
    changed: Changed, row: Series, job: Job, occurrence: Occurrence, staff: Staffing, before: JobDates
) -> MovedJob | None:
    """None where its period stays, or is over before and after."""
    facts = replace(changed.after[row.id], engagement_id=row.engagement_id)
    others = [each for each in changed.history.get(row.id, ()) if each.start != occurrence.period_start]
    until = occurrence.period_start + dt.timedelta(days=1)
    period = next(
        (each for each in periods_of(row, facts, until, others) if each.start == occurrence.period_start), None
    )
    if period is None or period == occurrence.period or max(period.last_day, occurrence.period_end) < today():
        return None
    wish = Wish(
        pattern_of_series(row, facts), period.start, about=period, owner_id=owner_of(row.roles),
        roles=roles_of(row.roles), offset_days=row.offset_days, starts_on=occurrence.starts_by_hand,
        due_on=job.due_on if job.due_locked else None, title=occurrence.title_by_hand,
    )
    blueprint = get_blueprint(job.template_id) if job.template_id else changed.blueprint(row)
    plan = plan_job(facts, blueprint, row.service.name, wish, staff, origin=job.origin or "")
    after = _cause(plan).change(before)
    moves = difference(before, after)
    return MovedJob(job, occurrence, period, plan, moves, overrun_of(before, after, moves))


@foresees
def periods_that_move(changes: Sequence[ClientChange], seen_by: Actor) -> dict[UUID, list[Effect]]:
    """Each series with its next period, and each job to come, from what to what."""
    moving = [change for change in changes if change.moves_periods]
    found: dict[UUID, list[Effect]] = {}
    if not moving:
        return found
    changed = Changed(moving, seen_by)
    jobs = moved_jobs(changed)
    for row in changed.rows:
        effects = found.setdefault(row.client_id, [])
        name, url = f"{row.service.name}, next period", f"/series/{row.id}"
        if row.id in changed.broken:
            effects.append(Effect(name, url, "as it is", SERIES_STAYS))
            continue
        history = changed.history.get(row.id, [])
        own = {moved.occurrence.period_start for moved in jobs if moved.occurrence.series_id == row.id}
        left = [period for period in history if period.start not in own]
        before = changed.next_of(row, changed.before[row.id], history)
        after = changed.next_of(row, changed.after[row.id], [*left, *_new_periods(jobs, row)])
        effects.append(Effect(name, url, _said(before), _said(after)))
    for job in changed.left:
        said = day(job.due_on) if job.due_on else "no date"
        found[job.client_id].append(Effect(job.title, f"/jobs/{job.id}", said, JOB_STAYS))
    for moved in jobs:
        found[moved.job.client_id].append(Effect(
            moved.job.title, f"/jobs/{moved.job.id}", _dated(moved.occurrence.period, moved.job.due_on),
            _dated(moved.period, moved.due_on), of_job=True, overrun=moved.overrun.words if moved.overrun else "",
        ))
    return found


def _new_periods(jobs: Sequence[MovedJob], series: Series) -> list[Period]:
    return [moved.period for moved in jobs if moved.occurrence.series_id == series.id]


def _said(forecast: Forecast | None) -> str:
    if forecast is None:
        return "none"
    return _dated(Period(forecast.period_start, forecast.period_end + dt.timedelta(days=1)), forecast.due_on)


def _dated(period: Period, due_on: dt.date | None) -> str:
    return f"{day(period.start)} – {day(period.last_day)}" + (f", due {day(due_on)}" if due_on else "")


@foresees
def work_that_is_open(changes: Sequence[ClientChange], seen_by: Actor) -> dict[UUID, list[Effect]]:
    """What of clients that the firm stops serving is not finished."""
    return {change.client_id: _open_at(change.client_id, seen_by) for change in changes if change.ends_service}


def _open_at(client: UUID, seen_by: Actor) -> list[Effect]:
    """Each with its count and where it is found."""
    jobs = _count(sa.select(Job.id).where(
        Job.client_id == client, Job.status.in_((JobStatus.ACTIVE, JobStatus.ON_HOLD)),
        *within_sight(seen_by, Job.client_id, Job.engagement_id),
    ))
    asked = _count(requests_seen_by(seen_by).with_only_columns(ClientRequest.id).where(
        ClientRequest.client_id == client, ClientRequest.closed_at.is_(None),
        ClientRequest.state.in_((*ANSWERABLE, RequestState.SCHEDULED)),
    ))
    effects = [
        (jobs, counted(jobs, "open job") + ": stays open", f"/clients/{client}?section=jobs"),
        (asked, counted(asked, "open request") + ": not asked for and not reminded of any more",
         f"/clients/{client}?section=requests"),
    ]
    series = series_of([client], seen_by)
    words = f"{len(series)} recurring {'service' if len(series) == 1 else 'services'}"
    effects.append((len(series), f"{words}: no job is created; what falls due meanwhile is skipped",
                    f"/clients/{client}?section=recurring"))
    if can_see_wip(seen_by):
        for account, name, section in ((Account.WIP, "WIP", "wip"), (Account.RECEIVABLE, "Unpaid bills", "balance")):
            for currency, owed in sorted(balance_of(account, seen_by=seen_by, client_id=client).items()):
                said = f"{name}: {amount(owed, currency)} {currency}"
                effects.append((1, said, f"/clients/{client}?section={section}"))
    return [Effect(said, url) for count, said, url in effects if count]


def _count(statement: sa.Select[Any]) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(statement.subquery())) or 0
