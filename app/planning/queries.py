"""Reading what is planned: clients to choose from, applications, series and their occurrences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from app.catalogue.models import Service
from app.clients.changes import standing_of
from app.clients.models import Client, ClientStatus, Engagement, EngagementStatus
from app.clients.policy import within_sight
from app.clients.queries import client_named
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.planning.chosen import facts_of, plan_for
from app.planning.facts import staffing
from app.planning.models import Application, ApplicationClient, Occurrence, OccurrenceState, Series, SeriesState
from app.planning.outlook import Outlook, outlook_of
from app.planning.plans import JobPlan, Known
from app.planning.policy import can_apply, can_see_plans
from app.planning.redating import waits
from app.requests.queries import contacts_to_ask

PER_PAGE = 100


@dataclass(frozen=True)
class ClientFilter:
    """Which clients to offer; empty parts do not narrow."""

    q: str = ""
    tag: str = ""
    status: str = ClientStatus.ACTIVE.value
    office_id: UUID | None = None
    holds: UUID | None = None
    client_id: UUID | None = None


def _matching(which: ClientFilter, seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    conditions = [Client.archived_at.is_(None), ~Client.is_firm, *within_sight(seen_by, Client.id)]
    if which.client_id:
        return [*conditions, Client.id == which.client_id]
    if which.q:
        conditions.append(client_named(which.q))
    if which.tag:
        conditions.append(sa.literal(which.tag) == sa.any_(Client.tags))
    if which.status in set(ClientStatus):
        conditions.append(Client.status == which.status)
    if which.office_id:
        conditions.append(Client.office_id == which.office_id)
    if which.holds:
        held = sa.exists().where(Engagement.client_id == Client.id, Engagement.service_id == which.holds)
        conditions.append(held)
    return conditions


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def list_choosable(which: ClientFilter, *, seen_by: Actor, page: int = 1) -> tuple[Sequence[Client], int]:
    """One page of the clients that a service can be applied to, and how many there are."""
    if not can_see_plans(seen_by):
        return [], 0
    conditions = _matching(which, seen_by)
    total = db.session.scalar(sa.select(sa.func.count()).select_from(Client).where(*conditions)) or 0
    rows = db.session.scalars(
        sa.select(Client).where(*conditions).order_by(Client.sort_key, Client.id)
        .options(joinedload(Client.partner), joinedload(Client.manager)).limit(PER_PAGE).offset((page - 1) * PER_PAGE)
    ).all()
    return rows, total


def choosable_ids(which: ClientFilter, *, seen_by: Actor) -> Sequence[UUID]:
    """All that match, for “select all”."""
    return db.session.scalars(sa.select(Client.id).where(*_matching(which, seen_by))).all()


def list_tags(*, seen_by: Actor) -> Sequence[str]:
    tags = sa.select(sa.func.unnest(Client.tags).label("tag")).where(*within_sight(seen_by, Client.id)).subquery()
    return db.session.scalars(sa.select(tags.c.tag).distinct().order_by(tags.c.tag).limit(200)).all()


def get_application(application_id: UUID, *, seen_by: Actor) -> Application:
    if not can_apply(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(Application).where(Application.id == application_id)
        .options(joinedload(Application.service, innerjoin=True), joinedload(Application.template, innerjoin=True))
    )


@dataclass(frozen=True)
class Planned:
    """One row of the preview: what is stored for the client, and the job as it will be."""

    row: ApplicationClient
    plan: JobPlan


def preview(application: Application, *, seen_by: Actor, page: int = 1, per_page: int = 50) -> list[Planned]:
    """A page of the jobs that the run will create, by the same code that creates them."""
    rows = db.session.scalars(
        sa.select(ApplicationClient).join(Client, Client.id == ApplicationClient.client_id)
        .where(ApplicationClient.application_id == application.id, *within_sight(seen_by, Client.id))
        .order_by(Client.sort_key, Client.id).limit(per_page).offset((page - 1) * per_page)
    ).all()
    return _planned(application, rows, seen_by)


def preview_one(application: Application, client_id: UUID, *, seen_by: Actor) -> Planned:
    rows = db.session.scalars(
        sa.select(ApplicationClient)
        .where(ApplicationClient.application_id == application.id, ApplicationClient.client_id == client_id)
    ).all()
    planned = _planned(application, rows, seen_by)
    if not planned:
        raise NotFound()
    return planned[0]


def _planned(application: Application, rows: Sequence[ApplicationClient], seen_by: Actor) -> list[Planned]:
    facts = facts_of(application, rows, seen_by=seen_by)
    staff, known = staffing(), Known()
    return [
        Planned(row, plan_for(application, row, facts[row.client_id], application.service.name, staff, known=known))
        for row in rows if row.client_id in facts
    ]


def outlook(application: Application, *, seen_by: Actor) -> Outlook:
    """What the run will bring about, over all clients that are not passed over."""
    rows = db.session.scalars(
        sa.select(ApplicationClient).join(Client, Client.id == ApplicationClient.client_id)
        .where(
            ApplicationClient.application_id == application.id, ~ApplicationClient.skip,
            *within_sight(seen_by, Client.id),
        )
    ).all()
    plans = [planned.plan for planned in _planned(application, rows, seen_by)]
    asks = [plan.client.id for plan in plans if plan.requests]
    return outlook_of(application, plans, contacts_to_ask(asks, seen_by=seen_by) if asks else {})


def count_planned(application: Application, *, seen_by: Actor) -> tuple[int, int]:
    """How many clients there are in it, and how many of them are passed over."""
    row = db.session.execute(
        sa.select(sa.func.count(), sa.func.count().filter(ApplicationClient.skip))
        .join(Client, Client.id == ApplicationClient.client_id)
        .where(ApplicationClient.application_id == application.id, *within_sight(seen_by, Client.id))
    ).one()
    return row[0], row[1]


@dataclass(frozen=True)
class SeriesRow:
    """A series in a list with what comes next."""

    series: Series
    next_on: dt.date | None
    next_title: str | None


def list_series(
    *, seen_by: Actor, client_id: UUID | None = None, service_id: UUID | None = None, ended: bool = False,
    page: int = 1, per_page: int = 50,
) -> tuple[list[SeriesRow], bool]:
    """A page of series in order of client, and whether there are more."""
    if not can_see_plans(seen_by):
        return [], False
    upcoming = (
        sa.select(Occurrence.create_on, Occurrence.title)
        .where(Occurrence.series_id == Series.id, Occurrence.state == OccurrenceState.FORECAST)
        .order_by(Occurrence.period_start).limit(1).lateral()
    )
    statement = (
        sa.select(Series, upcoming.c.create_on, upcoming.c.title)
        .join(Client, Client.id == Series.client_id).outerjoin(upcoming, sa.true())
        .where(*within_sight(seen_by, Series.client_id, Series.engagement_id))
        .options(joinedload(Series.client, innerjoin=True), joinedload(Series.service, innerjoin=True))
        .order_by(Client.sort_key, Series.id).limit(per_page + 1).offset((page - 1) * per_page)
    )
    if client_id:
        statement = statement.where(Series.client_id == client_id)
    if service_id:
        statement = statement.where(Series.service_id == service_id)
    ended_or_not = Series.state == SeriesState.ENDED if ended else Series.state != SeriesState.ENDED
    rows = [SeriesRow(*row) for row in db.session.execute(statement.where(ended_or_not))]
    return rows[:per_page], len(rows) > per_page


def get_series(series_id: UUID, *, seen_by: Actor) -> Series:
    if not can_see_plans(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(Series).where(Series.id == series_id, *within_sight(seen_by, Series.client_id, Series.engagement_id))
        .options(joinedload(Series.client, innerjoin=True), joinedload(Series.service, innerjoin=True))
        .execution_options(populate_existing=True)
    )


def held_back_because(series: Series, *, seen_by: Actor) -> str:
    """Why an active series (loaded with its client) creates nothing at present; empty when it does."""
    if not can_see_plans(seen_by) or series.state is not SeriesState.ACTIVE:
        return ""
    standing = standing_of(series.client)
    if not standing.is_served:
        return f"{series.client.name} is {standing.words}, so no job is created; what falls due meanwhile is skipped."
    engagement = db.session.get(Engagement, series.engagement_id)
    if engagement is not None and engagement.status is not EngagementStatus.OPEN:
        return f"The engagement {engagement.name} is closed, so no job is created until it is opened again."
    return ""


def count_redating(*, seen_by: Actor, series_id: UUID | None = None) -> int:
    """How many recurring services have dates that are being worked out after a change of a calendar or a service."""
    if not can_see_plans(seen_by):
        return 0
    wanted = sa.select(sa.func.count()).select_from(Series).where(
        waits(), *within_sight(seen_by, Series.client_id, Series.engagement_id)
    )
    if series_id is not None:
        wanted = wanted.where(Series.id == series_id)
    return db.session.scalar(wanted) or 0


def list_occurrences(series: Series, *, seen_by: Actor) -> Sequence[Occurrence]:
    """What is to come, and the last few that are past."""
    if not can_see_plans(seen_by):
        return []
    since = today().replace(year=today().year - 1, day=1)
    return db.session.scalars(
        sa.select(Occurrence).where(Occurrence.series_id == series.id, Occurrence.period_end >= since)
        .order_by(Occurrence.period_start).limit(200)
    ).all()


def get_occurrence(occurrence_id: UUID, *, seen_by: Actor) -> Occurrence:
    if not can_see_plans(seen_by):
        raise NotFound()
    return get_or_404(
        sa.select(Occurrence).join(Series, Series.id == Occurrence.series_id)
        .where(Occurrence.id == occurrence_id, *within_sight(seen_by, Series.client_id, Series.engagement_id))
    )


def services_with_series(*, seen_by: Actor) -> Sequence[Service]:
    if not can_see_plans(seen_by):
        return []
    return db.session.scalars(
        sa.select(Service).where(sa.exists().where(Series.service_id == Service.id)).order_by(Service.name)
    ).all()
