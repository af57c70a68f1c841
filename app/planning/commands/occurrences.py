"""Occurrences: the job of a forecast is created once, by hand or by the sweep; one may be skipped and taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import joinedload

from app.activity.commands import record
from app.catalogue.models import WorkRole
from app.catalogue.queries import get_blueprint
from app.clients.models import Client, Engagement, EngagementStatus
from app.clients.policy import check_served, is_served
from app.core.actors import Actor
from app.core.causes import because_of
from app.core.clock import today
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused, Stale
from app.core.ids import parse_id
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.core.wording import day
from app.jobs.commands.tasks import check_holder
from app.jobs.overruns import check_reason
from app.people.models import Person
from app.planning.commands.create import create_planned_job, create_within
from app.planning.commands.forecasting import facts_for, refresh_forecasts, templates_for
from app.planning.facts import ClientFacts, Staffing, staffing
from app.planning.forecast import pattern_of_series
from app.planning.models import ByHand, Occurrence, OccurrenceState, Series, SeriesState
from app.planning.past_deadlines import overrun_of_occurrence
from app.planning.periods import check_day
from app.planning.plans import OWNER, JobPlan, Known, Wish, owner_of, plan_job, roles_of
from app.planning.policy import can_edit_series
from app.planning.titles import MOST

log = structlog.get_logger()
LONGEST_REASON, LONGEST_TITLE, LONGEST_NOTE = 300, MOST, 1000


def due_occurrences(
    limit: int, *, by: Actor, after: tuple[dt.date, UUID] | None = None
) -> Sequence[sa.Row[dt.date, UUID]]:
    """Forecasts of active series whose jobs should be there by today: (create_on, id), oldest first.

    No new work is made for a client whom the firm does not serve or under a closed engagement.
    """
    authorize(by, can_edit_series)
    statement = (
        sa.select(Occurrence.create_on, Occurrence.id).join(Series, Series.id == Occurrence.series_id)
        .join(Client, Client.id == Series.client_id).join(Engagement, Engagement.id == Series.engagement_id)
        .where(
            Occurrence.state == OccurrenceState.FORECAST, Occurrence.create_on <= today(),
            Series.state == SeriesState.ACTIVE, is_served(),
            Engagement.status == EngagementStatus.OPEN,
        )
        .order_by(Occurrence.create_on, Occurrence.id).limit(limit)
    )
    if after is not None:
        statement = statement.where(sa.tuple_(Occurrence.create_on, Occurrence.id) > sa.tuple_(*after))
    return db.session.execute(statement).all()


def skip_unserved(*, by: Actor, client_id: UUID | None = None, because: str = "", limit: int = 500) -> int:
    """Skip what has come due of clients whom the firm does not serve, with the cause. Returns how many.

    With a client and a cause: whatever of theirs is due by now, as they are served again and nothing is caught up.
    """
    authorize(by, can_edit_series)
    with transaction() as session:
        wanted = sa.select(Occurrence, Client.status, Client.archived_at).join(
            Series, Series.id == Occurrence.series_id
        ).join(Client, Client.id == Series.client_id).where(
            Occurrence.state == OccurrenceState.FORECAST, Occurrence.create_on <= today(),
            Series.client_id == client_id if client_id else ~is_served(),
        ).order_by(Occurrence.id).limit(limit)
        rows = session.execute(to_lock(wanted, of=Occurrence, skip_taken=True)).all()
        for occurrence, status, archived_at in rows:
            cause = because or ("archived" if archived_at else status.value)
            occurrence.state, occurrence.skipped_because = OccurrenceState.SKIPPED, f"the client was {cause}"
            series = session.get_one(Series, occurrence.series_id)
            record("planning.occurrence.skip", series, by=by, title=occurrence.title, because=cause)
        return len(rows)


class Planner:
    """What many creations share: blueprints, client facts, staffing; read once for a batch."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._facts: dict[UUID, ClientFacts] = facts_for(series)
        self._templates = templates_for(series)
        self._staff: Staffing = staffing()
        self._known: Known = {}

    def plan(self, series: Series, occurrence: Occurrence) -> JobPlan:
        client = self._client(series)
        own = {
            role: person for role, person in occurrence.roles_by_hand.items()
            if self._staff.may_do(parse_id(person), client)
        }  # else whoever the series names
        team = series.roles | own
        wish = Wish(
            pattern_of_series(series, client), occurrence.period_start, starts_on=occurrence.starts_on,
            due_on=occurrence.due_by_hand, about=occurrence.period, owner_id=owner_of(team), roles=roles_of(team),
            title=occurrence.title_by_hand, note=occurrence.note, due_because=occurrence.due_because,
        )
        return plan_job(
            client, get_blueprint(self._templates[series.id]), series.service.name, wish, self._staff,
            origin=origin_of(series.id, occurrence.period_start), known=self._known,
        )

    def _client(self, series: Series) -> ClientFacts:
        """Its jobs stay in the engagement that the series was begun under."""
        facts = self._facts[series.id]
        return replace(facts, engagement_id=series.engagement_id)


def origin_of(series_id: UUID, period_start: dt.date) -> str:
    return f"series:{series_id}:{period_start.isoformat()}"


def create_occurrences(ids: Sequence[UUID], *, by: Actor) -> int:
    """Create the jobs of these forecasts, each in a transaction of its own. Returns how many this call made.

    One that cannot be created stays forecast and is tried again by the next sweep; it does not stop the others.
    """
    authorize(by, can_edit_series)
    series = db.session.scalars(
        sa.select(Series).join(Occurrence, Occurrence.series_id == Series.id).where(Occurrence.id.in_(ids)).distinct()
        .options(joinedload(Series.service, innerjoin=True))
    ).all()
    planner = Planner(series)
    by_id = {each.id: each for each in series}
    made = 0
    for occurrence_id in ids:
        try:
            made += _create(occurrence_id, by_id, planner, by=by)
        except sa.exc.OperationalError:
            raise
        except Exception:
            log.exception("planning.occurrence.broken", occurrence=str(occurrence_id))
    return made


def _create(occurrence_id: UUID, series: dict[UUID, Series], planner: Planner, *, by: Actor) -> bool:
    with transaction() as session:
        occurrence = session.scalar(
            to_lock(
                sa.select(Occurrence).join(Series, Series.id == Occurrence.series_id).where(
                    Occurrence.id == occurrence_id, Occurrence.state == OccurrenceState.FORECAST,
                    Series.state == SeriesState.ACTIVE,
                ),
                of=Occurrence, skip_taken=True,
            )
        )
        if occurrence is None:
            return False
        plan = planner.plan(series[occurrence.series_id], occurrence)
        with because_of("series", occurrence.series_id):
            job_id, made = create_within(plan, by=by)
        mark_created(occurrence, job_id, plan)
        return made


def mark_created(occurrence: Occurrence, job_id: UUID, plan: JobPlan) -> None:
    occurrence.state, occurrence.job_id = OccurrenceState.CREATED, job_id
    occurrence.title, occurrence.due_on, occurrence.starts_on = plan.title, plan.due_on, plan.starts_on


def create_now(occurrence: Occurrence, *, by: Actor) -> UUID:
    """Create the job of one forecast ahead of its day; pressing twice makes one."""
    series = _series(occurrence)
    authorize(by, can_edit_series, series)
    if series.state is SeriesState.ENDED:
        raise Refused("This series has ended.")
    check_served(series.client_id)
    with transaction():
        row = _locked(occurrence)
        if row.state is OccurrenceState.CREATED and row.job_id:
            return row.job_id
        plan = Planner([series]).plan(series, row)
        job_id, _made = create_planned_job(plan, by=by)
        mark_created(row, job_id, plan)
        record("planning.occurrence.create", series, by=by, job_id=job_id, title=row.title)
        return job_id


def change_occurrence(occurrence: Occurrence, own: ByHand, *, by: Actor, seen: str | None = None) -> None:
    """What holds for this one alone, whatever rule and series say; what is empty follows them again.

    Refused without a reason where its own days make it due past a deadline, later than its rule says.

    `seen` digests what held when it was looked at; refused where somebody else has set other things since.
    """
    series = _series(occurrence)
    authorize(by, can_edit_series, series)
    own = _checked(own)
    with transaction():
        row = _held(series, occurrence)
        if row.state is not OccurrenceState.FORECAST:
            raise Refused("Its job is there already. Change the job instead." if row.job_id else "It is skipped.")
        before = row.by_hand
        overrun = overrun_of_occurrence(series, row.period, own) if own.starts_on or own.due_on else None
        own = replace(own, because=check_reason(overrun, own.because))
        if before == own:
            return
        if seen not in (None, before.digest):
            raise Stale("Somebody else changed this period meanwhile. Saving again puts what you typed over theirs.")
        for role, person in own.roles.items():
            if before.roles.get(role) != person:
                _check_named(person, series, field=role)
        row.starts_by_hand, row.due_by_hand = own.starts_on, own.due_on
        row.roles_by_hand, row.title_by_hand, row.note = dict(own.roles), own.title, own.note
        row.due_because = own.because
        refresh_forecasts([series.id], by=by)
        row = _locked(occurrence)
        if row.due_on is not None and row.due_on < row.starts_on:
            said = f"It starts on {day(row.starts_on)} and is due on {day(row.due_on)}. Set both days."
            raise Refused(said, field="due_on" if own.due_on else "starts_on")
        record(
            "planning.occurrence.set", series, by=by, title=row.title, starts_on=row.starts_on, due_on=row.due_on,
            before=before.told(), after=own.told(),
        )


def _checked(own: ByHand) -> ByHand:
    check_day(own.starts_on, "starts_on")
    check_day(own.due_on, "due_on")
    if own.starts_on and own.due_on and own.due_on < own.starts_on:
        raise Refused("It would be due before it starts.", field="due_on")
    own = replace(own, title=" ".join(own.title.split()), note=own.note.strip(), because=own.because.strip())
    words = (("title", own.title, LONGEST_TITLE), ("note", own.note, LONGEST_NOTE),
             ("because", own.because, LONGEST_REASON))
    for field, said, most in words:
        if len(said) > most:
            what = "reason" if field == "because" else field
            raise Refused(f"A {what} has at most {most} characters.", field=field)
    if unknown := set(own.roles) - {OWNER, *(role.value for role in WorkRole)}:
        raise Refused(f"There is no work role {min(unknown)}.", field="roles")
    return own


def _check_named(person_id: str, series: Series, *, field: str) -> None:
    """Somebody of the firm who works here and may see the client's work."""
    person = db.session.get(Person, parse_id(person_id))
    if person is None:
        raise Refused("Choose somebody of the firm.", field=field)
    try:
        check_holder(person, series.client_id, series.engagement_id)
    except Refused as refusal:
        raise Refused(refusal.message, field=field) from None


def skip_occurrence(occurrence: Occurrence, *, because: str = "", by: Actor) -> None:
    """This one only: no job is made for its period."""
    series = _series(occurrence)
    authorize(by, can_edit_series, series)
    because = " ".join(because.split())
    if len(because) > LONGEST_REASON:
        raise Refused(f"A reason has at most {LONGEST_REASON} characters.", field="because")
    with transaction():
        row = _locked(occurrence)
        if row.state is OccurrenceState.CREATED:
            raise Refused("Its job is there already. Cancel the job instead.")
        if row.state is OccurrenceState.FORECAST:
            row.state, row.skipped_because = OccurrenceState.SKIPPED, because
            record("planning.occurrence.skip", series, by=by, title=row.title, reason=because)


def restore_occurrence(occurrence: Occurrence, *, by: Actor) -> None:
    """Take a skipped one back into the forecast."""
    series = _series(occurrence)
    authorize(by, can_edit_series, series)
    with transaction():
        row = _held(series, occurrence)
        if row.state is OccurrenceState.SKIPPED:
            row.state, row.skipped_because = OccurrenceState.FORECAST, ""
            refresh_forecasts([series.id], by=by)
            record("planning.occurrence.restore", series, by=by, title=row.title)


def _series(occurrence: Occurrence) -> Series:
    return db.session.scalars(
        sa.select(Series).where(Series.id == occurrence.series_id).options(joinedload(Series.service, innerjoin=True))
    ).one()


def _held(series: Series, occurrence: Occurrence) -> Occurrence:
    """Locked after its series, whose forecasts are written."""
    db.session.execute(to_lock(sa.select(Series.id).where(Series.id == series.id)))
    return _locked(occurrence)


def _locked(occurrence: Occurrence) -> Occurrence:
    row = db.session.scalar(
        to_lock(sa.select(Occurrence).where(Occurrence.id == occurrence.id)).execution_options(populate_existing=True)
    )
    if row is None:
        raise NotFound()
    return row
