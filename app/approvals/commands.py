"""Setting limits; asking for approval, deciding, declining, withdrawing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from flask_babel import force_locale
from flask_babel import lazy_gettext as _

from app.activity.commands import record
from app.approvals.kinds import meaning_of
from app.approvals.limits import LIMITS, TURN, Judged, limit_of
from app.approvals.models import LIMITED, Approval, ApprovalKind, ApprovalLimit, Decision
from app.approvals.policy import NEEDED, can_decide, can_edit_limits, can_see_approvals, can_withdraw
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.locking import lock_row, take_turn, to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import ROLES, Permission, Role, authorize
from app.core.wording import amount, full_day
from app.firm.models import Entity
from app.people.commands.notices import tell
from app.people.models import Person, PersonState

ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class LimitFacts:
    """For a role or for one person, from a day on; an amount of None is no limit."""

    entity_id: UUID
    kind: ApprovalKind
    amount: Decimal | None
    from_on: dt.date
    role: Role | None = None
    person_id: UUID | None = None


def set_limit(limit_id: UUID, facts: LimitFacts, *, by: Actor) -> ApprovalLimit:
    """Set up to how much somebody decides alone. One of the same day for the same people is withdrawn.

    Not from a day that is past: what was decided then went by the limits of then. Nobody raises their own, while
    somebody else may. The same id with the same facts
    gives the limit that is there; with others it is a Conflict.
    """
    authorize(by, can_edit_limits)
    with transaction() as session:
        said = digest_of(facts)
        existing = made_before(ApprovalLimit, limit_id, said)
        if existing is not None:
            return existing
        entity = session.get(Entity, facts.entity_id)
        if entity is None or (facts.person_id and session.get(Person, facts.person_id) is None):
            raise NotFound()
        if (facts.role is None) == (facts.person_id is None):
            raise Refused("Say for which role, or for whom.", field="who")
        if facts.kind not in LIMITED:
            raise Refused("A lower fee counts before the limit for write-offs.", field="kind")
        if facts.amount is not None and facts.amount < 0:
            raise Refused("A limit cannot be below zero.", field="amount")
        if facts.from_on < clock.today():
            raise Refused("A limit starts today or later; what was decided before stays as it is.", field="from_on")
        take_turn(LIMITS, at=TURN)
        _refuse_own(facts, by=by)
        same = [ApprovalLimit.entity_id == facts.entity_id, ApprovalLimit.kind == facts.kind,
                ApprovalLimit.role.is_not_distinct_from(facts.role), ApprovalLimit.from_on == facts.from_on,
                ApprovalLimit.person_id.is_not_distinct_from(facts.person_id)]  # fmt: skip
        for before in session.scalars(sa.select(ApprovalLimit).where(*same, ApprovalLimit.withdrawn_at.is_(None))):
            _withdraw(before, by=by)
        session.flush()
        limit = ApprovalLimit(
            id=limit_id, entity_id=facts.entity_id, kind=facts.kind, role=facts.role, person_id=facts.person_id,
            amount=facts.amount, from_on=facts.from_on, set_by=by.person_id, created_at=now(), made_from=said,
        )  # fmt: skip
        session.add(limit)
        session.flush()
        record("approvals.limit.set", limit, by=by, covers=[("approval_limit", limit.id)], **_told(limit, entity))
        _tell_whom_it_binds(limit, entity, by=by)
        return limit


def withdraw_limit(limit: ApprovalLimit, *, by: Actor) -> None:
    """Take a limit out of use: the one before it counts again, or none. A second time nothing happens."""
    authorize(by, can_edit_limits)
    with transaction() as session:
        take_turn(LIMITS, at=TURN)
        lock_row(limit)
        if limit.withdrawn_at is None:
            _refuse_own(LimitFacts(
                entity_id=limit.entity_id, kind=limit.kind, amount=None, from_on=clock.today(), role=limit.role,
                person_id=limit.person_id,
            ), by=by)  # fmt: skip
            _withdraw(limit, by=by)
            _tell_whom_it_binds(limit, session.get_one(Entity, limit.entity_id), by=by)


def _refuse_own(facts: LimitFacts, *, by: Actor) -> None:
    """Up to how much somebody decides alone is for somebody else to raise, if there is one who may."""
    theirs = by.person_id is not None and (facts.person_id == by.person_id or facts.role == by.role)
    if not theirs or not by.may(NEEDED[facts.kind]):
        return
    holds = db.session.scalar(sa.select(
        limit_of(facts.kind.value, facts.entity_id, by.person_id, by.role, facts.from_on, now())
    ))
    if facts.amount is not None and holds is not None and facts.amount <= holds:
        return
    others = sa.select(Person.id).where(
        Person.state == PersonState.ACTIVE, Person.id != by.person_id,
        Person.role.in_([role for role, allowed in ROLES.items() if Permission.SETTINGS_EDIT in allowed]),
    )
    if db.session.scalar(sa.select(others.exists())):
        raise Refused(
            "This would raise your own limit. Another partner or an administrator has to set it.", field="amount"
        )


def _withdraw(limit: ApprovalLimit, *, by: Actor) -> None:
    limit.withdrawn_at, limit.withdrawn_by = now(), by.person_id
    entity = db.session.get_one(Entity, limit.entity_id)
    covers = [("approval_limit", limit.id)]
    record("approvals.limit.withdrawn", limit, by=by, covers=covers, **_told(limit, entity))


def _tell_whom_it_binds(limit: ApprovalLimit, entity: Entity, *, by: Actor) -> None:
    """By mail: the person, or everyone of the role, but for who did it."""
    whom = Person.id == limit.person_id if limit.person_id else Person.role == limit.role
    with force_locale("en_GB"):  # by the letter's way of writing numbers, not by the sender's
        facts = {"by": by.name, "what": limit.kind.words.lower(), "entity": entity.name, "day": full_day(limit.from_on),
                 "money": f"{entity.currency} {amount(limit.amount, entity.currency)}"}  # fmt: skip
    if limit.withdrawn_at is not None:
        said = _("%(by)s withdrew your limit for %(what)s of %(entity)s. The one before it, if any, counts again.",
                 **facts)
    elif limit.amount is None:
        said = _("From %(day)s on you decide alone about %(what)s of %(entity)s of any amount: %(by)s set no limit.",
                 **facts)
    else:
        said = _("From %(day)s on you decide alone about %(what)s of %(entity)s up to %(money)s, as %(by)s set it.",
                 **facts)
    for person in db.session.scalars(
        sa.select(Person).where(whom, Person.state == PersonState.ACTIVE, Person.id != by.person_id)
        .order_by(Person.id)
    ):
        tell(person, "approvals.limit.withdrawn" if limit.withdrawn_at else "approvals.limit.set",
             _("Your limit of approval"), said)


def _told(limit: ApprovalLimit, entity: Entity) -> dict[str, Any]:
    person = db.session.get(Person, limit.person_id) if limit.person_id else None
    return {
        "what": limit.kind, "role": limit.role or "", "person": person.name if person else "",
        "amount": limit.amount, "currency": entity.currency, "from_on": limit.from_on,
    }  # fmt: skip


class Outdated(Refused):
    """What was asked for is not what would be done by now: it has to be asked for again."""


@dataclass(frozen=True, kw_only=True)
class Matter:
    """What is to be approved, as it stands. `facts` are kept while it is pending, to say what changed."""

    kind: ApprovalKind
    subject_id: UUID
    entity_id: UUID
    client_id: UUID
    client_ids: frozenset[UUID]
    engagement_ids: frozenset[UUID]
    currency: str
    amount: Decimal
    digest: bytes
    written_off: Decimal = ZERO
    facts: Mapping[str, Any] | None = None
    reason: str = ""


def pending_for(kind: ApprovalKind, subject_id: UUID) -> Approval | None:
    """The approval that is pending for a thing, locked; the thing itself is locked already."""
    pending = sa.select(Approval).where(
        Approval.kind == kind, Approval.subject_id == subject_id, Approval.decision == Decision.PENDING
    )
    return db.session.scalar(to_lock(pending))


def ask_for_approval(matter: Matter, judged: Judged, *, by: Actor, approval_id: UUID | None = None) -> Approval:
    """Ask somebody else to decide. The caller holds the lock of the thing.

    Asked for already and unchanged, nothing more happens; changed since, it takes the place of what was asked before.
    """
    authorize(by, can_see_approvals)
    with transaction() as session:
        before = pending_for(matter.kind, matter.subject_id)
        if before is not None:
            if before.digest == matter.digest:
                return before
            _close(before, Decision.WITHDRAWN, "asked for anew", by=by)
            session.flush()
        approval = _row(matter, judged, approval_id, asked_by=by.person_id)
        approval.decision, approval.facts = Decision.PENDING, dict(matter.facts) if matter.facts else None
        approval.second_person = not (by.may(NEEDED[matter.kind]) and judged.within)
        session.add(approval)
        session.flush()
        _tell("asked", approval, by=by)
        return approval


def approve_matter(
    matter: Matter, judged: Judged, *, by: Actor, asked_by: UUID | None, approval_id: UUID | None = None,
    tell: bool = True,
) -> Approval:
    """Note that somebody decides within their limits: about what was asked for, if anything was, else of their own.

    The caller holds the lock of the thing, and does it. Raises Refused for a role that may not, above the limit, for
    the asker of what needs a second person, and Outdated when it is not what was asked for.
    """
    authorize(by, can_see_approvals)
    if not by.may(NEEDED[matter.kind]):
        raise Refused("Your role does not decide this. Somebody else has to approve it.")
    if not judged.within:
        raise Refused(f"{judged.why_not} Somebody else has to approve it.")
    with transaction() as session:
        approval = pending_for(matter.kind, matter.subject_id)
        if approval is None:
            approval = _row(matter, judged, approval_id, asked_by=asked_by)
            approval.second_person = False
            approval.decision = Decision.PENDING  # for the moment that it takes to decide it
            session.add(approval)
        elif approval.digest != matter.digest:
            raise Outdated("It has changed since it was asked for.")
        elif approval.second_person and approval.asked_by == by.person_id:
            raise Refused("You asked for this yourself; somebody else has to approve it.")
        approval.base_amount, approval.limit_amount = judged.base_amount, judged.limit
        approval.written_off_base, approval.written_off_limit = judged.written_off_base, judged.written_off_limit
        _decide(approval, Decision.APPROVED, "", by=by)
        session.flush()
        if tell:
            _tell("approved", approval, by=by)
        return approval


def decline_approval(approval: Approval, word: str, *, by: Actor) -> None:
    """Say no, with a word for whoever asked; everything stays as it is. Declined already, nothing more happens."""
    authorize(by, can_decide, approval)
    if not word.strip():
        raise Refused("Say why; whoever asked reads it.", field="word")
    _answer(approval, Decision.DECLINED, word.strip(), by=by)


def withdraw_approval(approval: Approval, *, by: Actor) -> None:
    """Take back what one asked for; everything stays as it is. Withdrawn already, nothing more happens."""
    authorize(by, can_withdraw, approval)
    _answer(approval, Decision.WITHDRAWN, "", by=by)


def _answer(approval: Approval, decision: Decision, word: str, *, by: Actor) -> None:
    with transaction() as session:
        if approval.decision is Decision.PENDING:
            meaning_of(approval.kind).hold(approval, by)
        session.scalar(to_lock(sa.select(Approval).where(Approval.id == approval.id)))
        if approval.decision is decision:
            return
        if approval.decision is not Decision.PENDING:
            raise Refused(f"It is {approval.decision.value} by now.")
        _close(approval, decision, word, by=by)


def close_pending(kind: ApprovalKind, subject_id: UUID, word: str, *, by: Actor, declined: bool = False) -> None:
    """Close what was asked for about a thing that is gone, has changed or was sent back; the thing is locked."""
    authorize(by, can_see_approvals)
    with transaction():
        approval = pending_for(kind, subject_id)
        if approval is not None:
            _close(approval, Decision.DECLINED if declined else Decision.WITHDRAWN, word, by=by)


def _close(approval: Approval, decision: Decision, word: str, *, by: Actor) -> None:
    _decide(approval, decision, word, by=by)
    _tell(decision.value, approval, by=by)


def _decide(approval: Approval, decision: Decision, word: str, *, by: Actor) -> None:
    approval.decision, approval.word = decision, word
    approval.decided_by, approval.decided_role = by.person_id, by.role
    approval.decided_at, approval.decided_on = now(), clock.today()


def _row(matter: Matter, judged: Judged, approval_id: UUID | None, *, asked_by: UUID | None) -> Approval:
    return Approval(
        id=approval_id or new_id(), kind=matter.kind, subject_id=matter.subject_id, entity_id=matter.entity_id,
        client_id=matter.client_id, client_ids=sorted(matter.client_ids),
        engagement_ids=sorted(matter.engagement_ids), currency=matter.currency, base_currency=judged.base_currency,
        amount=matter.amount, base_amount=judged.base_amount, limit_amount=judged.limit,
        written_off=matter.written_off, written_off_base=judged.written_off_base,
        written_off_limit=judged.written_off_limit, digest=matter.digest, reason=matter.reason, asked_by=asked_by,
        asked_at=now(),
    )  # fmt: skip


def _tell(verb: str, approval: Approval, *, by: Actor) -> None:
    engagements = approval.engagement_ids
    record(
        f"approvals.approval.{verb}", approval, by=by, what=approval.kind, amount=approval.amount,
        engagement_id=engagements[0] if len(engagements) == 1 else None,
        currency=approval.currency, asked_by=approval.asked_by, word=approval.word,
        reason=approval.reason, topics=("approvals", "wip", "invoices"),
        covers=[(kind, approval.id) for kind in ("approval", *meaning_of(approval.kind).covers)],
    )  # fmt: skip
