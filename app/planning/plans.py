"""One job as it will be: its title, every date, every owner. The preview and the doing read the same plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.catalogue.blueprints import Blueprint, Dates, StepPlan, dates_of, due_of, start_of_job
from app.catalogue.models import StepKind, TemplateRequest, WorkRole
from app.clients.names import LONGEST_NAME
from app.core.ids import parse_id
from app.core.wording import beside
from app.planning.facts import ClientFacts, Staffing
from app.planning.periods import Period, PeriodKind, PeriodPattern
from app.planning.titles import title

UNPERIODIC = PeriodPattern(PeriodKind.MONTH)
OWNER = "owner"


@dataclass(frozen=True)
class TaskPlan:
    """A step with its date and its owner; without one it goes to the unassigned queue."""

    step: StepPlan
    due_on: dt.date | None
    assignee_id: UUID | None


@dataclass(frozen=True)
class RequestToAsk:
    """What the client will be asked: `asked_on` is the day, or the earliest one for what waits until a step opens."""

    row: TemplateRequest
    due_on: dt.date | None
    asked_on: dt.date | None
    when_step_opens: bool


@dataclass(frozen=True)
class JobPlan:
    """Everything that creating the job writes. `origin` is what makes creating it twice create it once.

    `own_reviews` names the reviews for which nobody was found but whoever prepares what is reviewed.
    """

    origin: str
    client: ClientFacts
    service_name: str
    blueprint: Blueprint
    title: str
    period_start: dt.date | None
    period_end: dt.date | None
    period_name: str
    starts_on: dt.date
    due_on: dt.date | None
    owner_id: UUID | None
    roles: dict[WorkRole, UUID]
    tasks: tuple[TaskPlan, ...]
    dates: Dates
    due_by_hand: bool = False
    own_reviews: tuple[str, ...] = ()
    note: str = ""
    due_because: str = ""

    @property
    def engagement_name(self) -> str:
        """What the job is billed under: the engagement that it goes to, or the name of the one opened for it."""
        return self.client.engagement_name or (self.new_name if self.client.opens else self.service_name)

    @property
    def new_name(self) -> str:
        """What an engagement that is opened for this job alone is named, unless somebody says otherwise."""
        return beside(self.title, self.client.name)[:LONGEST_NAME]

    @property
    def requests(self) -> list[RequestToAsk]:
        return [
            RequestToAsk(
                request.row, self.dates.requests.get(request.row.id), self.dates.asked.get(request.row.id),
                request.send_rule is None and request.row.step_key in self.blueprint.waited_for,
            )
            for request in self.blueprint.requests
        ]

    @property
    def people(self) -> set[UUID]:
        return {person for person in (self.owner_id, *(task.assignee_id for task in self.tasks)) if person}


@dataclass(frozen=True)
class Wish:
    """What is asked for one client: which period, when it starts, who does it. `pattern` None: about no period.

    `about` names the very period where it is not the pattern's own, as between an old year end and a new one. A
    `title` goes before the template's, and `note` to the job. `due_because`: why it may be due past a deadline.
    """

    pattern: PeriodPattern | None
    period_on: dt.date
    starts_on: dt.date | None = None
    due_on: dt.date | None = None
    owner_id: UUID | None = None
    roles: Mapping[WorkRole, UUID] | None = None
    offset_days: int = 0
    about: Period | None = None
    title: str = ""
    note: str = ""
    due_because: str = ""

    @property
    def period(self) -> Period | None:
        return self.about or (self.pattern.containing(self.period_on) if self.pattern else None)


Known = dict[tuple[Any, ...], Dates]


def plan_job(
    client: ClientFacts, blueprint: Blueprint, service_name: str, wish: Wish, staff: Staffing, *, origin: str,
    known: Known | None = None,
) -> JobPlan:
    """The plan; reads and writes nothing. `known` keeps the dates that many clients of a batch share."""
    period = wish.period
    starts_on = wish.starts_on or start_of(blueprint, client, period, wish)
    dates = _dates(blueprint, client, period, starts_on, wish.due_on, {} if known is None else known)
    roles = {role: person for role, person in (wish.roles or {}).items() if staff.may_do(person, client)}
    holders = {role: staff.holder(role, roles, client) for role in WorkRole}
    doers = doers_of(blueprint, holders, staff, client)
    return JobPlan(
        origin=origin, client=client, service_name=service_name, blueprint=blueprint,
        title=wish.title or title_of(blueprint, client.name, service_name, period, wish.pattern, starts_on),
        period_start=period.start if period else None, period_end=period.last_day if period else None,
        period_name=wish.pattern.name(period) if wish.pattern and period else "", starts_on=starts_on,
        due_on=dates.due_on, owner_id=staff.owner(wish.owner_id, client), roles=roles,
        tasks=tuple(
            TaskPlan(step, dates.steps.get(step.key), doers[step.key]) for step in blueprint.steps
        ),
        dates=dates, due_by_hand=wish.due_on is not None, note=wish.note, due_because=wish.due_because,
        own_reviews=tuple(
            step.name for step in blueprint.steps
            if step.kind is StepKind.REVIEW and doers[step.key] in preparers_of(blueprint, step, holders)
        ),
    )


def doers_of(
    blueprint: Blueprint, holders: Mapping[WorkRole, UUID | None], staff: Staffing, client: ClientFacts
) -> dict[str, UUID | None]:
    """Who does each step. A review goes to somebody other than whoever prepares it, where anybody else is on the team.
    """
    team = (
        holders[WorkRole.REVIEWER], client.engagement.manager_id, client.team.manager_id, holders[WorkRole.PARTNER],
        client.engagement.partner_id, client.team.partner_id,
    )
    doers = {step.key: holders[step.work_role] for step in blueprint.steps}
    for step in blueprint.steps:
        if step.kind is StepKind.REVIEW and doers[step.key] is not None:
            preparers = preparers_of(blueprint, step, holders)
            if doers[step.key] in preparers:
                others = (each for each in team if each not in preparers and staff.may_do(each, client))
                doers[step.key] = next(others, doers[step.key])
    return doers


def preparers_of(
    blueprint: Blueprint, review: StepPlan, holders: Mapping[WorkRole, UUID | None]
) -> set[UUID]:
    """Who does the work that this review comes after; of a review after a review, all of the job's work."""
    before = {d.on_key for d in blueprint.dependencies if d.step_key == review.key}
    work = [step for step in blueprint.steps if step.kind is StepKind.WORK]
    found = [step for step in work if step.key in before] or [s for s in work if s.position < review.position]
    return {person for step in found if (person := holders[step.work_role]) is not None}


def _dates(
    blueprint: Blueprint, client: ClientFacts, period: Period | None, starts_on: dt.date, due_on: dt.date | None,
    known: Known,
) -> Dates:
    key = (blueprint.template_id, period, starts_on, due_on, id(client.calendar), client.region)
    if key not in known:
        known[key] = dates_of(
            blueprint, anchors_of(period, starts_on), client.calendar, due_on=due_on, region=client.region
        )
    return known[key]


def start_of(blueprint: Blueprint, client: ClientFacts, period: Period | None, wish: Wish) -> dt.date:
    """As the template says, earlier or later by the offset; about no period on the day named."""
    first = start_of_job(blueprint, period.start, period.last_day, client.calendar) if period else wish.period_on
    return first + dt.timedelta(days=wish.offset_days)


def anchors_of(period: Period | None, starts_on: dt.date) -> dict[str, dt.date]:
    around = {"period_start": period.start, "period_end": period.last_day} if period else {}
    return {"job_start": starts_on, **around}


def due_on_of(blueprint: Blueprint, period: Period, starts_on: dt.date, client: ClientFacts) -> dt.date | None:
    return due_of(blueprint, anchors_of(period, starts_on), client.calendar, region=client.region)


def title_of(
    blueprint: Blueprint, client: str, service: str, period: Period | None, pattern: PeriodPattern | None,
    starts_on: dt.date,
) -> str:
    """A job about no period is named after the month in which it starts."""
    periods = pattern or UNPERIODIC
    return title(
        blueprint.title_pattern, client=client, service=service, period=period or periods.containing(starts_on),
        periods=periods,
    )


def roles_of(stored: Mapping[str, Any]) -> dict[WorkRole, UUID]:
    """Work roles of a stored choice: {"preparer": "<id>", …}."""
    found = {role: parse_id(str(stored.get(role.value) or "")) for role in WorkRole}
    return {role: person for role, person in found.items() if person}


def owner_of(stored: Mapping[str, Any]) -> UUID | None:
    return parse_id(str(stored.get(OWNER) or ""))
