"""Recording time and changing it until it is billed; the ledger follows every step."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.catalogue.models import WorkRole
from app.clients.models import Arrangement, Client, Engagement, EngagementStatus
from app.clients.policy import can_see
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused
from app.core.money import round_amount
from app.core.permissions import authorize
from app.core.rounding import RoundingRule
from app.firm.models import Entity, Firm
from app.jobs.models import Job, Task
from app.ledger.models import TransactionKind
from app.people.models import Person
from app.timekeeping.commands.wip import Place, move_wip, place_of
from app.timekeeping.models import ItemState, TimeEntry
from app.timekeeping.policy import can_edit_item, can_record_time
from app.timekeeping.rates import find_rate

HOUR = Decimal(3600)
LOCKED = {
    ItemState.DRAFTED: "It is on a draft bill; take it off there first.",
    ItemState.BILLED: "It has been billed and stays as it is.",
    ItemState.WRITTEN_OFF: "It has been written off and stays as it is.",
}


@dataclass(frozen=True, kw_only=True)
class EntryFacts:
    """What a person says about time worked. `recorded` is as the clock or they said it."""

    engagement_id: UUID
    worked_on: dt.date
    recorded: dt.timedelta
    job_id: UUID | None = None
    task_id: UUID | None = None
    narrative: str = ""
    activity: str = ""
    billable: bool | None = None


@dataclass(frozen=True)
class Setting:
    """Everything an entry is valued with."""

    engagement: Engagement
    entity_currency: str
    is_internal: bool
    rounding: RoundingRule
    work_role: WorkRole | None
    client_id: UUID


def setting_for(facts: EntryFacts, *, by: Actor) -> tuple[EntryFacts, Setting]:
    """Look up engagement, rounding and work role; fill job and engagement from the task. Raises NotFound, Refused."""
    work_role = None
    if facts.task_id:
        task = db.session.execute(
            sa.select(Task.job_id, Task.engagement_id, Task.work_role).where(Task.id == facts.task_id)
        ).one_or_none()
        if task is None:
            raise NotFound()
        facts = replace(facts, job_id=task.job_id, engagement_id=task.engagement_id)
        work_role = task.work_role
    elif facts.job_id:
        engagement_id = db.session.scalar(sa.select(Job.engagement_id).where(Job.id == facts.job_id))
        if engagement_id is None:
            raise NotFound()
        facts = replace(facts, engagement_id=engagement_id)
    row = db.session.execute(
        sa.select(Engagement, Entity.currency, Client.is_firm, sa.select(Firm.rounding).scalar_subquery())
        .join(Entity, Entity.id == Engagement.entity_id)
        .join(Client, Client.id == Engagement.client_id)
        .where(Engagement.id == facts.engagement_id)
    ).one_or_none()
    if row is None or not can_see(by, row[0].client_id, row[0].id):
        raise NotFound()
    engagement, currency, is_internal, firm_rounding = row
    if engagement.status is EngagementStatus.CLOSED:
        raise Refused(f"“{engagement.name}” is closed; reopen it to record time on it.", field="engagement_id")
    rule = engagement.rounding or firm_rounding
    return facts, Setting(
        engagement,
        currency,
        is_internal,
        RoundingRule.from_json(rule) if rule else RoundingRule(),
        work_role,
        engagement.client_id,
    )


def _check_span(recorded: dt.timedelta, worked_on: dt.date) -> None:
    if recorded < dt.timedelta(seconds=1):
        raise Refused("Say how long it took, for example 1:30 or 90m.", field="recorded")
    if recorded > dt.timedelta(hours=24):
        raise Refused("A day has 24 hours; split it over several days.", field="recorded")
    if worked_on > today() + dt.timedelta(days=1):
        raise Refused("Time is recorded when it has been worked, not before.", field="worked_on")
    if worked_on < today() - dt.timedelta(days=3660):
        raise Refused("That is more than ten years ago; check the date.", field="worked_on")


def charged_value(charged: dt.timedelta, rate: Decimal, currency: str) -> Decimal:
    """Hours × rate, rounded half up to the minor unit."""
    return round_amount(Decimal(int(charged.total_seconds())) / HOUR * rate, currency)


def record_entry(
    entry_id: UUID,
    facts: EntryFacts,
    *,
    by: Actor,
    person_id: UUID | None = None,
    timer_id: UUID | None = None,
) -> TimeEntry:
    """Record time for oneself, or for `person_id`. The same id again gives the entry that is there."""
    authorize(by, can_record_time, person_id)
    _check_span(facts.recorded, facts.worked_on)
    with transaction() as session:
        existing = session.get(TimeEntry, entry_id)
        if existing is not None:
            return existing
        facts, setting = setting_for(facts, by=by)
        person = session.get(Person, person_id or by.id)
        if person is None:
            raise NotFound()
        entry = TimeEntry(id=entry_id, person_id=person.id, timer_id=timer_id)
        _describe(entry, facts, setting)
        _value(entry, setting, person)
        session.add(entry)
        session.flush()
        move_wip(TransactionKind.RECORDED, entry, None, place_of(entry), by=by, base=setting.entity_currency)
        _add_to_task(entry.task_id, entry.recorded)
        record(
            "timekeeping.entry.record",
            entry,
            by=by,
            person=str(person.id),
            seconds=entry.recorded,
            on=entry.worked_on,
            value=entry.value,
            currency=entry.currency,
            topics=(f"person:{person.id}", "wip"),
        )
        return entry


def _describe(entry: TimeEntry, facts: EntryFacts, setting: Setting) -> None:
    engagement = setting.engagement
    charges = engagement.arrangement is not Arrangement.NON_BILLABLE and not setting.is_internal
    entry.client_id, entry.engagement_id = setting.client_id, engagement.id
    entry.job_id, entry.task_id = facts.job_id, facts.task_id
    entry.worked_on, entry.recorded = facts.worked_on, facts.recorded
    entry.narrative, entry.activity = facts.narrative, facts.activity
    entry.billable = charges and facts.billable is not False
    entry.currency, entry.work_role = engagement.currency, setting.work_role


def _value(entry: TimeEntry, setting: Setting, person: Person) -> None:
    """Fix rounding, rate and value onto the entry; a later change of a setting touches new entries only."""
    found = find_rate(setting.engagement, person, entry.worked_on, work_role=setting.work_role, activity=entry.activity)
    entry.rounding = setting.rounding.to_json()
    entry.charged = dt.timedelta(seconds=setting.rounding.charge(int(entry.recorded.total_seconds())))
    entry.rate, entry.rate_source, entry.rate_id = found.amount, found.source, found.rate_id
    entry.value = charged_value(entry.charged, entry.rate, entry.currency) if entry.billable else Decimal(0)
    entry.open_value = entry.value


def _add_to_task(task_id: UUID | None, change: dt.timedelta) -> None:
    if task_id and change:
        db.session.execute(
            sa.update(Task)
            .where(Task.id == task_id)
            .values(spent=sa.text("greatest(spent + :seconds, 0)").bindparams(seconds=int(change.total_seconds())))
            .execution_options(synchronize_session=False)
        )


def refuse_locked(entry: Any) -> None:
    """Billed, drafted and written-off items refuse every change."""
    if entry.deleted_at:
        raise NotFound()
    if entry.state in LOCKED:
        raise Refused(LOCKED[entry.state])


def edit_entry(entry: TimeEntry, facts: EntryFacts, *, by: Actor, version: int | None = None) -> TimeEntry:
    """Change or move an unbilled entry; it is valued anew by the settings and rates of its date."""
    authorize(by, can_edit_item, entry)
    _check_span(facts.recorded, facts.worked_on)
    with transaction() as session:
        session.refresh(entry, with_for_update=True)
        refuse_locked(entry)
        check_version(entry, version)
        facts, setting = setting_for(facts, by=by)
        person = session.get_one(Person, entry.person_id)
        before, old_task, old_recorded = place_of(entry), entry.task_id, entry.recorded
        old = {"on": entry.worked_on, "seconds": entry.recorded, "narrative": entry.narrative, "value": entry.value}
        _describe(entry, facts, setting)
        _value(entry, setting, person)
        after = place_of(entry)
        kind = TransactionKind.TRANSFERRED if after.engagement_id != before.engagement_id else TransactionKind.REPRICED
        move_wip(kind, entry, before, after, by=by, base=setting.entity_currency)
        _add_to_task(old_task, -old_recorded)
        _add_to_task(entry.task_id, entry.recorded)
        record(
            "timekeeping.entry.edit",
            entry,
            by=by,
            before=old,
            topics=(f"person:{entry.person_id}", "wip"),
            after={
                "on": entry.worked_on,
                "seconds": entry.recorded,
                "narrative": entry.narrative,
                "value": entry.value,
            },
        )
        return entry


def split_entry(entry: TimeEntry, new_id: UUID, taken: dt.timedelta, *, by: Actor, narrative: str = "") -> TimeEntry:
    """Take part of an unbilled entry into a second one; what is charged and its value are split, not rounded again."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        existing = session.get(TimeEntry, new_id)
        if existing is not None:
            return existing
        session.refresh(entry, with_for_update=True)
        refuse_locked(entry)
        if not dt.timedelta() < taken < entry.recorded:
            raise Refused("The part must be shorter than the whole and longer than nothing.", field="taken")
        before = place_of(entry)
        share = Decimal(taken.total_seconds()) / Decimal(entry.recorded.total_seconds())
        charged = dt.timedelta(seconds=round(Decimal(entry.charged.total_seconds()) * share))
        copied = {
            name: getattr(entry, name)
            for name in (
                "client_id",
                "engagement_id",
                "job_id",
                "task_id",
                "person_id",
                "worked_on",
                "billable",
                "currency",
                "rounding",
                "rate",
                "rate_source",
                "rate_id",
                "work_role",
                "activity",
                "state",
                "hold_reason",
            )
        }
        value = round_amount(entry.value * share, entry.currency)
        part = TimeEntry(
            id=new_id,
            split_from_id=entry.id,
            recorded=taken,
            charged=charged,
            narrative=narrative or entry.narrative,
            value=value,
            open_value=value,
            **copied,
        )
        entry.recorded -= taken
        entry.charged -= charged
        entry.value -= value
        entry.open_value = entry.value
        entry.version += 1
        session.add(part)
        session.flush()
        base = _base_of(entry)
        move_wip(TransactionKind.TRANSFERRED, entry, before, place_of(entry), by=by, base=base)
        move_wip(TransactionKind.TRANSFERRED, part, None, place_of(part), by=by, base=base)
        record("timekeeping.entry.split", entry, by=by, into=str(part.id), seconds=taken, topics=("wip",))
        return part


def delete_entry(entry: TimeEntry, *, by: Actor, version: int | None = None) -> None:
    """Take an unbilled entry back. The row stays for the record; nothing shows or counts it."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        session.refresh(entry, with_for_update=True)
        if entry.deleted_at:
            return
        refuse_locked(entry)
        check_version(entry, version)
        before = place_of(entry)
        entry.deleted_at, entry.open_value = now(), Decimal(0)
        move_wip(TransactionKind.REPRICED, entry, before, None, by=by, base=_base_of(entry), reason="deleted")
        _add_to_task(entry.task_id, -entry.recorded)
        record(
            "timekeeping.entry.delete",
            entry,
            by=by,
            seconds=entry.recorded,
            value=before.amount,
            topics=(f"person:{entry.person_id}", "wip"),
        )


def restore_entry(entry: TimeEntry, *, by: Actor) -> None:
    """Undo a deletion: the entry stands again with the value it had."""
    authorize(by, can_edit_item, entry)
    with transaction() as session:
        session.refresh(entry, with_for_update=True)
        if entry.deleted_at is None:
            return
        entry.deleted_at, entry.open_value = None, entry.value
        move_wip(TransactionKind.REPRICED, entry, None, place_of(entry), by=by, base=_base_of(entry), reason="restored")
        _add_to_task(entry.task_id, entry.recorded)
        record("timekeeping.entry.restore", entry, by=by, topics=(f"person:{entry.person_id}", "wip"))


def _base_of(entry: TimeEntry) -> str:
    return str(
        db.session.scalar(
            sa.select(Entity.currency)
            .join(Engagement, Engagement.entity_id == Entity.id)
            .where(Engagement.id == entry.engagement_id)
        )
    )


__all__ = ["EntryFacts", "Place", "delete_entry", "edit_entry", "record_entry", "restore_entry", "split_entry"]
