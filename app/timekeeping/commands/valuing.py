"""What an entry is worth: its engagement, the rounding and the rate, fixed onto it when it is saved."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import sqlalchemy as sa

from app.catalogue.models import WorkRole
from app.clients.arrangements import kind_on
from app.clients.models import ArrangementKind, Client, Engagement, EngagementStatus
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.clock import today
from app.core.db import db
from app.core.errors import NotFound, Refused
from app.core.money import round_amount
from app.core.rounding import RoundingRule
from app.firm.models import Entity, Firm
from app.jobs.models import Job, Task
from app.ledger.books import Books
from app.ledger.queries import find_rate_on
from app.people.models import Person
from app.timekeeping.commands.figures import be_worth
from app.timekeeping.models import Rate, TimeEntry
from app.timekeeping.rates import CARD, Card, FoundRate, applies, choose, given

HOUR = Decimal(3600)
LONGEST_NARRATIVE = 5_000


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """What a person says about time worked. `recorded` is as the clock or they said it; the task, else the job, else
    the engagement says where it belongs."""

    worked_on: dt.date
    recorded: dt.timedelta
    engagement_id: UUID | None = None
    job_id: UUID | None = None
    task_id: UUID | None = None
    narrative: str = ""
    activity: str = ""
    billable: bool | None = None


class EngagementRow(NamedTuple):
    """What of an engagement decides what is recorded on it."""

    id: UUID
    client_id: UUID
    name: str
    status: EngagementStatus
    currency: str
    rounding: dict[str, Any] | None
    entity_id: UUID


class Belonging(NamedTuple):
    """Where something recorded belongs, with all that values of its day depend on."""

    engagement: EngagementRow
    base: str
    is_internal: bool
    firm_rounding: dict[str, Any] | None
    billed: ArrangementKind
    job_id: UUID | None
    task_id: UUID | None
    work_role: WorkRole | None


@dataclass(frozen=True)
class Setting:
    """Everything an entry is valued with."""

    engagement: EngagementRow
    books: Books
    is_internal: bool
    billed: ArrangementKind
    rounding: RoundingRule
    work_role: WorkRole | None
    cards: tuple[Card, ...]

    @property
    def charges(self) -> bool:
        return self.billed is not ArrangementKind.NON_BILLABLE and not self.is_internal


def setting_for(facts: EntryFacts, person: Person, *, by: Actor) -> tuple[EntryFacts, Setting]:
    """One query for engagement, rounding, work role and rate cards; job and engagement are filled in.

    Raises NotFound, Refused.
    """
    whose = {"person_id": person.id, "grade": person.grade or None}
    what = {"on": facts.worked_on, "activity": facts.activity or None}
    rows: Sequence[Any] = _ask(_WITH_CARDS, facts, {**whose, **what}).all()
    where = _belonging(rows[0]) if rows else None
    if where is None or not can_see(by, where.engagement.client_id, where.engagement.id):
        raise NotFound()
    engagement = where.engagement
    if engagement.status is EngagementStatus.CLOSED:
        raise Refused(f"“{engagement.name}” is closed; reopen it to record time on it.", field="work")
    rule = engagement.rounding or where.firm_rounding
    rounding = RoundingRule.from_json(rule) if rule else RoundingRule()
    facts = replace(facts, engagement_id=engagement.id, job_id=where.job_id, task_id=where.task_id)
    cards = tuple(Card(*row[-len(CARD):]) for row in rows if row.card_id is not None)
    books = Books(engagement.entity_id, where.base)
    return facts, Setting(engagement, books, where.is_internal, where.billed, rounding, where.work_role, cards)


def _belonging(row: Any) -> Belonging:
    many = len(EngagementRow._fields)
    return Belonging(EngagementRow(*row[:many]), *row[many : many + len(Belonging._fields) - 1])


_NOTHING = sa.null().label("task_id"), sa.null().label("work_role")
_FIRM_ROUNDING = sa.select(Firm.rounding).scalar_subquery().label("rounding")
_BILLED = kind_on(Engagement.id, sa.bindparam("on", type_=sa.Date())).label("billed")
_BELONGS: sa.Select[Any] = (
    sa.select(
        *(getattr(Engagement, name) for name in EngagementRow._fields),
        Entity.currency, Client.is_firm, _FIRM_ROUNDING, _BILLED,
    )  # fmt: skip
    .select_from(Engagement)
    .join(Entity, Entity.id == Engagement.entity_id)
    .join(Client, Client.id == Engagement.client_id)
)
_BY_TASK = (
    _BELONGS.add_columns(Task.job_id, Task.id, Task.work_role)
    .join(Task, Task.engagement_id == Engagement.id)
    .where(Task.id == sa.bindparam("named"))
)
_BY_JOB = (
    _BELONGS.add_columns(Job.id, *_NOTHING)
    .join(Job, Job.engagement_id == Engagement.id)
    .where(Job.id == sa.bindparam("named"))
)
_BY_ENGAGEMENT = _BELONGS.add_columns(sa.null().label("job_id"), *_NOTHING).where(
    Engagement.id == sa.bindparam("named")
)


_WHERE = {"task": _BY_TASK, "job": _BY_JOB, "engagement": _BY_ENGAGEMENT}


def _with_cards(belongs: sa.Select[Any], work_role: Any) -> sa.Select[Any]:
    applying = applies(
        **given("on", "person_id", "grade", "activity"),
        currency=Engagement.currency, work_role=work_role, client_id=Engagement.client_id, engagement_id=Engagement.id,
    )  # fmt: skip
    return belongs.add_columns(*CARD).outerjoin(Rate, applying)


_WITH_CARDS = {
    kind: _with_cards(belongs, Task.work_role if kind == "task" else sa.null()) for kind, belongs in _WHERE.items()
}


def _ask(statements: dict[str, sa.Select[Any]], facts: Any, values: dict[str, Any]) -> sa.Result[Any]:
    kind = "task" if facts.task_id else "job" if facts.job_id else "engagement"
    return db.session.execute(statements[kind], {"named": getattr(facts, f"{kind}_id"), **values})


def where_it_belongs(facts: Any, on: dt.date) -> Belonging | None:
    """The engagement with all that values of that day depend on, by the task, job or engagement that facts name."""
    row = _ask(_WHERE, facts, {"on": on}).one_or_none()
    return None if row is None else _belonging(row)


def check_facts(facts: EntryFacts) -> None:
    """Refuse what no day of work can be."""
    if facts.recorded < dt.timedelta(seconds=1):
        raise Refused("Say how long it took, for example 1:30 or 90m.", field="recorded")
    if facts.recorded > dt.timedelta(hours=24):
        raise Refused("A day has 24 hours; split it over several days.", field="recorded")
    if facts.worked_on > today() + dt.timedelta(days=1):
        raise Refused("Time is recorded when it has been worked, not before.", field="worked_on")
    if facts.worked_on < today() - dt.timedelta(days=3660):
        raise Refused("That is more than ten years ago; check the date.", field="worked_on")
    if len(facts.narrative) > LONGEST_NARRATIVE:
        raise Refused(f"A narrative has at most {LONGEST_NARRATIVE:,} characters; shorten it.", field="narrative")


def charged_value(charged: dt.timedelta, rate: Decimal, currency: str) -> Decimal:
    """Hours × rate, rounded half up to the minor unit."""
    return round_amount(Decimal(int(charged.total_seconds())) / HOUR * rate, currency)


def describe(entry: TimeEntry, facts: EntryFacts, setting: Setting) -> None:
    """Write what the person said onto the entry."""
    entry.client_id, entry.engagement_id = setting.engagement.client_id, setting.engagement.id
    entry.job_id, entry.task_id = facts.job_id, facts.task_id
    entry.worked_on, entry.recorded = facts.worked_on, facts.recorded
    entry.narrative, entry.activity = facts.narrative, facts.activity
    entry.billable = setting.charges and facts.billable is not False
    entry.currency, entry.work_role = setting.engagement.currency, setting.work_role


def take_rate(entry: TimeEntry, setting: Setting) -> None:
    """Fix the rate that applies onto the entry; none where no card or no exchange rate covers its day."""
    keep_rate(entry, choose(setting.cards, setting.engagement.currency, entry.worked_on), setting.books)


def keep_rate(entry: TimeEntry, found: FoundRate, books: Books) -> None:
    if found.amount is not None and find_rate_on(entry.currency, books.currency, entry.worked_on) is None:
        found = FoundRate(None, no_exchange(entry.currency, books.currency, entry.worked_on), None)
    entry.rate, entry.rate_source, entry.rate_id = found.amount, found.source, found.rate_id


def no_exchange(currency: str, base: str, on: dt.date) -> str:
    """Why nothing in this currency can be posted on a day."""
    return f"no exchange rate from {currency} to {base} covers {on:%-d %B %Y}"


def take_value(entry: TimeEntry) -> None:
    """Value the entry; what has been written on or off it meanwhile stays written. Raises Refused."""
    entry.waiting = entry.billable and entry.rate is None
    be_worth(entry, worth_of(entry))


def worth_of(entry: TimeEntry) -> Decimal:
    """What is charged at the rate it keeps; nothing without one."""
    return charged_value(entry.charged, entry.rate, entry.currency) if entry.rate is not None else Decimal(0)
