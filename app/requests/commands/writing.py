"""Writing requests: ad hoc, from a template, changing what has not been sent."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import ASKING_TIME, TemplateRequest
from app.core.actors import Actor
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.jobs.models import Job, Task
from app.requests.commands.asking import tell_unreachable
from app.requests.commands.sending import settle_waiting
from app.requests.models import UNSENT, ClientRequest, ItemKind, ItemState, RequestItem, RequestState
from app.requests.moments import check_asking_time
from app.requests.policy import can_ask, can_edit_request
from app.requests.queries import is_reachable

MOST_ITEMS = 100
NEEDS_OPTIONS = (ItemKind.CHOICE, ItemKind.CHOICES)


@dataclass(frozen=True)
class ItemSpec:
    """One thing to ask for. `code` stays the same from year to year, so that answers can be compared."""

    kind: ItemKind
    label: str
    help: str = ""
    required: bool = True
    section: str = ""
    options: tuple[str, ...] = ()
    code: str = ""


@dataclass(frozen=True)
class ReminderPolicy:
    """First after so many days, then every so many, at most so often."""

    after_days: int = 3
    every_days: int = 4
    at_most: int = 5


@dataclass(frozen=True)
class NewRequest:
    """What a request asks and for what; `id` is the form's, so that pressing twice makes one.

    With a day or `send_when_open` it is asked by itself; without either it is a draft.
    """

    id: UUID
    client_id: UUID
    name: str
    items: tuple[ItemSpec, ...]
    message: str = ""
    due_on: dt.date | None = None
    send_on: dt.date | None = None
    send_time: dt.time = ASKING_TIME
    send_when_open: bool = False
    held: bool = False
    engagement_id: UUID | None = None
    job_id: UUID | None = None
    task_id: UUID | None = None
    template_request_id: UUID | None = None
    reminders: ReminderPolicy = ReminderPolicy()

    @property
    def state(self) -> RequestState:
        return RequestState.SCHEDULED if self.send_on or self.send_when_open else RequestState.DRAFT


def specs_of(items: Sequence[dict[str, Any]]) -> tuple[ItemSpec, ...]:
    """The items that a template keeps as JSON."""
    return tuple(
        ItemSpec(
            kind=ItemKind(item.get("kind", "upload")), label=str(item["label"]), help=str(item.get("help") or ""),
            required=bool(item.get("required", True)), section=str(item.get("section") or ""),
            options=tuple(str(option) for option in item.get("options") or ()), code=str(item.get("code") or ""),
        )
        for item in items
    )


def create_request(values: NewRequest, *, by: Actor) -> ClientRequest:
    """A draft, or one that is asked by itself on its day or when its step opens; the step waits for it from now on."""
    authorize(by, can_ask, values.client_id, values.engagement_id)
    with transaction():
        said = digest_of(values)
        existing = made_before(ClientRequest, values.id, said, seen=lambda row: row.client_id == values.client_id)
        if existing is not None:
            return existing
        _check(values)
        request = _add(values, by)
        request.made_from = said
        settle_waiting(request, by=by)
        return request


def _add(values: NewRequest, by: Actor) -> ClientRequest:
    request = ClientRequest(
        id=values.id, client_id=values.client_id, engagement_id=values.engagement_id, job_id=values.job_id,
        task_id=values.task_id, template_request_id=values.template_request_id, name=values.name,
        message=values.message, due_on=values.due_on, send_on=values.send_on, send_time=values.send_time,
        send_when_open=values.send_when_open, held=values.held, unreachable_at=None,
        state=values.state, sent_at=None, viewed_at=None,
        submitted_at=None, closed_at=None, sent_by=None, next_reminder_on=None, tell_returned_at=None,
        remind_after_days=values.reminders.after_days, remind_every_days=values.reminders.every_days,
        remind_at_most=values.reminders.at_most, items=_items(values),
    )
    db.session.add(request)
    record("requests.request.created", request, by=by, name=request.name, items=len(values.items))
    return request


def create_request_from_template(
    job: Job, blueprint: TemplateRequest, *, task_id: UUID | None, due_on: dt.date | None, asked_on: dt.date | None,
    held: bool = False, by: Actor,
) -> ClientRequest:
    """The request that a template asks for, once a job: unsent, and asked by itself at its moment.

    One without an own rule is asked when its step opens; `asked_on` is then the first day on which it may be.
    """
    authorize(by, can_ask, job.client_id, job.engagement_id)
    with transaction() as session:
        existing = session.scalar(sa.select(ClientRequest).where(
            ClientRequest.job_id == job.id, ClientRequest.template_request_id == blueprint.id
        ))
        if existing is not None:
            return existing
        request = _add(NewRequest(
            id=new_id(), client_id=job.client_id, engagement_id=job.engagement_id, job_id=job.id, task_id=task_id,
            template_request_id=blueprint.id, name=blueprint.name, message=blueprint.message, due_on=due_on,
            items=specs_of(blueprint.items), reminders=ReminderPolicy(
                blueprint.remind_after_days, blueprint.remind_every_days, blueprint.remind_at_most
            ),
            send_on=asked_on, send_time=blueprint.send_time, held=held,
            send_when_open=asked_on is None or blueprint.send_rule is None,
        ), by)
        if not held and not is_reachable(job.client_id, seen_by=by):
            tell_unreachable(request, by=by)
    return request


def update_request(request: ClientRequest, values: NewRequest, *, version: int | None, by: Actor) -> None:
    """Change a request that has not been sent; its items are replaced by those given."""
    authorize(by, can_edit_request, request)
    if request.state not in UNSENT:
        raise Refused("It has been sent. Cancel it and write a new one, or ask for the rest in another request.")
    values = replace(values, client_id=request.client_id, engagement_id=request.engagement_id, job_id=request.job_id)
    with transaction() as session:
        check_version(request, version)
        _check(values)
        request.due_locked = request.due_locked or request.due_on != values.due_on
        asked = (request.send_on, request.send_when_open)
        request.send_locked = request.send_locked or asked != (values.send_on, values.send_when_open)
        request.name, request.message, request.due_on = values.name, values.message, values.due_on
        before, request.task_id = request.task_id, values.task_id
        request.send_on, request.send_time = values.send_on, values.send_time
        request.send_when_open = values.send_when_open
        request.remind_after_days = values.reminders.after_days
        request.remind_every_days = values.reminders.every_days
        request.remind_at_most = values.reminders.at_most
        if request.state is not values.state:
            request.held = False
            request.move_to(values.state)
        request.items.clear()
        session.flush()
        request.items.extend(_items(values))
        record("requests.request.changed", request, by=by, name=request.name, items=len(values.items))
        settle_waiting(request, by=by, before=before)


def _check(values: NewRequest) -> None:
    if not values.name:
        raise Refused("Give the request a name that the client will understand.", field="name")
    if not values.items:
        raise Refused("Ask for at least one thing.", field="items")
    check_asking_time(values.send_time)
    if values.send_when_open and values.task_id is None:
        raise Refused("Choose the step whose opening it is asked at.", field="task_id")
    if len(values.items) > MOST_ITEMS:
        raise Refused(f"A request has at most {MOST_ITEMS} items.", field="items")
    for item in values.items:
        if not item.label:
            raise Refused("Each item needs the words that the client will read.", field="items")
        if item.kind in NEEDS_OPTIONS and len(item.options) < 2:
            raise Refused(f"“{item.label}” needs at least two options to choose from.", field="items")
    if values.job_id is not None:
        job = db.session.execute(
            sa.select(Job.client_id, Job.engagement_id).where(Job.id == values.job_id)
        ).one_or_none()
        if job is None or job.client_id != values.client_id:
            raise Refused("This job belongs to another client.", field="job")
    if values.task_id is not None and not db.session.scalar(
        sa.select(sa.exists().where(Task.id == values.task_id, Task.job_id == values.job_id))
    ):
        raise Refused("The step that should wait belongs to another job.", field="task_id")


def _items(values: NewRequest) -> list[RequestItem]:
    codes: set[str] = set()
    items = []
    for position, spec in enumerate(values.items):
        code = _unique(spec.code or _code(spec.label), codes)
        codes.add(code)
        items.append(RequestItem(
            id=new_id(), client_id=values.client_id, code=code, position=position, section=spec.section,
            kind=spec.kind, label=spec.label, help=spec.help, required=spec.required, options=list(spec.options),
            state=ItemState.OPEN, answer=None, saved_at=None, answered_at=None, answered_kind=None, answered_by=None,
            reviewed_at=None, reviewed_by=None,
        ))
    return items


def _code(label: str) -> str:
    plain = unicodedata.normalize("NFKD", label.casefold())
    return re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40] or "item"


def _unique(code: str, taken: set[str]) -> str:
    return code if code not in taken else next(f"{code}_{n}" for n in range(2, 1000) if f"{code}_{n}" not in taken)
