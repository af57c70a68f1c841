"""Asking by itself: each request at its moment, of whoever can be written to; holding it and letting it go."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
import structlog

from app.activity.commands import record
from app.clients.models import Client, ClientContact, ClientStatus, Contact
from app.clients.policy import is_served
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.each import each_by_itself
from app.core.errors import FirmamentError, Refused
from app.core.locking import to_lock
from app.core.permissions import authorize
from app.firm.models import Office
from app.jobs.calendars import calendars_of
from app.jobs.models import Job, JobStatus, Task, TaskState
from app.requests.commands.sending import NobodyReachable, send_request
from app.requests.models import ClientRequest, RequestState
from app.requests.moments import check_asking_time, moment_of
from app.requests.policy import can_edit_request, is_system
from app.requests.queries import reachable

log = structlog.get_logger()
A_DAY = dt.timedelta(days=1)


def ask_due_requests(*, by: Actor) -> int:
    """Ask whatever is due by now. Returns how many; one that cannot be asked is passed and tried again next time."""
    authorize(by, is_system)
    return each_by_itself(due_requests(by=by), lambda id_: _ask(id_, by), name="requests.ask")


def due_requests(*, by: Actor) -> Sequence[UUID]:
    """Requests whose moment has come, oldest day first."""
    authorize(by, is_system)
    zone_of_contact = (
        sa.select(Contact.zone).join(ClientContact, ClientContact.contact_id == Contact.id)
        .where(ClientContact.client_id == ClientRequest.client_id, Contact.archived_at.is_(None))
        .order_by(ClientContact.is_primary.desc(), ClientContact.portal_access.desc(), Contact.sort_key).limit(1)
        .correlate(ClientRequest).scalar_subquery()
    )
    rows = db.session.execute(
        sa.select(
            ClientRequest.id, ClientRequest.client_id, ClientRequest.send_on, ClientRequest.send_time,
            Office.zone.label("office_zone"), sa.func.coalesce(zone_of_contact, Client.zone, Office.zone).label("zone"),
        )
        .join(Client, Client.id == ClientRequest.client_id).join(Office, Office.id == Client.office_id)
        .outerjoin(Job, Job.id == ClientRequest.job_id).outerjoin(Task, Task.id == ClientRequest.task_id)
        .where(
            ClientRequest.state == RequestState.SCHEDULED, ~ClientRequest.held,
            sa.func.coalesce(ClientRequest.send_on, dt.date.min) <= now().date() + A_DAY, *_goes_out(),
            sa.or_(~ClientRequest.send_when_open, Task.id.is_(None), Task.state != TaskState.BLOCKED),
            sa.or_(ClientRequest.unreachable_at.is_(None), reachable(ClientRequest.client_id)),
        )
        .order_by(ClientRequest.send_on.nulls_first(), ClientRequest.id)
    ).all()
    calendars = calendars_of([row.client_id for row in rows]) if rows else {}
    return [
        row.id for row in rows
        if moment_of(
            row.send_on, row.send_time, now=now(), office_zone=row.office_zone, zone=row.zone,
            calendar=calendars[row.client_id],
        ) <= now()
    ]


def _goes_out() -> tuple[sa.ColumnElement[bool], ...]:
    """Nothing is asked by itself of whom the firm does not work for, or for a job that rests or is over."""
    return (
        Client.archived_at.is_(None),
        sa.or_(
            is_served(),
            sa.and_(Client.status == ClientStatus.PROSPECT, ClientRequest.template_request_id.is_(None)),
        ),
        sa.or_(Job.id.is_(None), Job.status == JobStatus.ACTIVE),
    )


def _ask(request_id: UUID, by: Actor) -> bool:
    try:
        with transaction() as session:
            request = session.scalar(
                to_lock(sa.select(ClientRequest).where(ClientRequest.id == request_id), skip_taken=True)
            )
            if request is None or request.state is not RequestState.SCHEDULED or request.held:
                return False
            try:
                send_request(request, by=by)
            except NobodyReachable:
                tell_unreachable(request, by=by)
                return False
            return True
    except FirmamentError:
        log.exception("requests.not_asked", request=str(request_id))
        return False


def tell_unreachable(request: ClientRequest, *, by: Actor) -> None:
    """Nobody at the client has an address: said once, to whoever answers for the job; asked as soon as somebody has."""
    authorize(by, can_edit_request, request)
    if request.unreachable_at is not None:
        return
    with transaction():
        request.unreachable_at = now()
        name = db.session.scalar(sa.select(Client.name).where(Client.id == request.client_id))
        record("requests.request.unreachable", request, by=by, topics=("requests",), name=request.name, client=name)


def hold_request(request: ClientRequest, *, by: Actor) -> None:
    """It is not asked until somebody lets it go; its step goes on waiting for it."""
    authorize(by, can_edit_request, request)
    with transaction():
        row = _locked(request)
        if row.held:
            return
        if row.state is not RequestState.SCHEDULED:
            raise Refused("Only a request that will be asked by itself can be held.")
        row.held, row.version = True, row.version + 1
        record("requests.request.held", row, by=by, topics=("requests",), name=row.name)


def release_request(request: ClientRequest, *, by: Actor) -> None:
    """It is asked at its moment again, or soon when that has passed."""
    authorize(by, can_edit_request, request)
    with transaction():
        row = _locked(request)
        if not row.held:
            return
        row.held, row.version = False, row.version + 1
        record("requests.request.released", row, by=by, topics=("requests",), name=row.name)


def change_asking(
    request: ClientRequest, *, send_on: dt.date, send_time: dt.time, by: Actor, version: int | None = None
) -> None:
    """Ask on another day; this day holds whatever its rule said."""
    authorize(by, can_edit_request, request)
    with transaction():
        row = _locked(request)
        check_version(row, version)
        if row.state is not RequestState.SCHEDULED:
            raise Refused("It is not waiting to be asked.")
        check_asking_time(send_time)
        row.send_on, row.send_time, row.send_when_open, row.send_locked = send_on, send_time, False, True
        record("requests.request.rescheduled", row, by=by, topics=("requests",), name=row.name, send_on=send_on)


def unlock_days(request: ClientRequest, *, by: Actor) -> None:
    """Let the days that were set by hand follow the job's again, from the next change on."""
    authorize(by, can_edit_request, request)
    with transaction():
        row = _locked(request)
        if not (row.due_locked or row.send_locked):
            return
        row.due_locked = row.send_locked = False
        row.version += 1
        record("requests.request.unlocked", row, by=by, topics=("requests",), name=row.name)


def _locked(request: ClientRequest) -> ClientRequest:
    return db.session.scalars(to_lock(sa.select(ClientRequest).where(ClientRequest.id == request.id))).one()
