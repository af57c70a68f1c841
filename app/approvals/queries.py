"""What is to be decided, what was asked, who may decide it, and the limits that hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.orm import joinedload

from app.approvals.limits import NOW, TODAY, limit_of
from app.approvals.models import Approval, ApprovalKind, ApprovalLimit, Decision
from app.approvals.policy import NEEDED, can_edit_limits, can_see_approvals
from app.clients.models import Wall
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.core.permissions import ROLES
from app.people.models import Person, PersonState

PER_PAGE = 50
INFINITE: sa.ColumnElement[Decimal] = sa.literal_column("'Infinity'::numeric")


def unwalled_approvals(seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    """No wall stands before any of its clients and engagements."""
    walled = ((Approval.client_ids, seen_by.walled_clients), (Approval.engagement_ids, seen_by.walled_engagements))
    return [~column.bool_op("&&")(_ids(ids)) for column, ids in walled if ids]


def _ids(ids: Iterable[UUID]) -> Any:
    kind: Any = ARRAY(sa.Uuid())
    return sa.cast(array(sorted(ids)), kind)


@lru_cache(maxsize=256)
def _to_decide(seen_by: Actor) -> tuple[sa.ColumnElement[bool], ...]:
    """Pending, permitted, within the viewer's limits, and not what they asked for where somebody else has to."""
    kinds = [kind for kind, needed in NEEDED.items() if seen_by.may(needed)]

    def within(kind: object, amount: Any) -> sa.ColumnElement[bool]:
        limit = limit_of(kind, Approval.entity_id, seen_by.person_id, seen_by.role, TODAY, NOW)
        return sa.func.coalesce(amount, INFINITE) <= limit

    return (
        Approval.decision == Decision.PENDING,
        Approval.kind.in_(kinds),
        sa.or_(~Approval.second_person, Approval.asked_by.is_distinct_from(seen_by.person_id)),
        within(sa.cast(Approval.kind, sa.Text), Approval.base_amount),
        sa.or_(Approval.written_off == 0, within(ApprovalKind.WRITE_OFF.value, Approval.written_off_base)),
        *unwalled_approvals(seen_by),
    )


def _need(seen_by: Actor) -> None:
    if not can_see_approvals(seen_by):
        raise NotFound()


def list_to_decide(*, seen_by: Actor, page: int = 1) -> tuple[Sequence[Approval], bool]:
    """What waits for the viewer's decision, the longest waiting first."""
    _need(seen_by)
    return _page(_to_decide(seen_by), Approval.asked_at.asc(), page)


def list_asked(*, seen_by: Actor, page: int = 1) -> tuple[Sequence[Approval], bool]:
    """What the viewer asked others to decide, the newest first: what is pending, and what became of the rest."""
    _need(seen_by)
    asked = sa.or_(Approval.second_person, Approval.decision != Decision.APPROVED,
                   Approval.decided_by.is_distinct_from(Approval.asked_by))
    mine = [Approval.asked_by == seen_by.person_id, asked, *unwalled_approvals(seen_by)]
    return _page(mine, Approval.asked_at.desc(), page)


def _page(
    conditions: Iterable[sa.ColumnElement[bool]], order: sa.UnaryExpression[Any], page: int
) -> tuple[Sequence[Approval], bool]:
    rows = db.session.scalars(
        sa.select(Approval).where(*conditions)
        .options(joinedload(Approval.client), joinedload(Approval.asker), joinedload(Approval.decider))
        .order_by(order, Approval.id).limit(PER_PAGE + 1).offset((page - 1) * PER_PAGE)
    ).all()
    return rows[:PER_PAGE], len(rows) > PER_PAGE


def to_decide_count(seen_by: Actor) -> sa.ScalarSelect[int]:
    """How many wait for the viewer, as one value for the question that draws the tabs."""
    return sa.select(sa.func.count()).select_from(Approval).where(*_to_decide(seen_by)).scalar_subquery()


def count_to_decide(*, seen_by: Actor) -> int:
    return db.session.scalar(sa.select(to_decide_count(seen_by))) or 0


def get_approval(approval_id: UUID, *, seen_by: Actor) -> Approval:
    _need(seen_by)
    return get_or_404(
        sa.select(Approval).where(Approval.id == approval_id, *unwalled_approvals(seen_by))
        .options(joinedload(Approval.client), joinedload(Approval.asker), joinedload(Approval.decider))
    )


def pending_of(subject_id: Any, *, seen_by: Actor) -> sa.Subquery:
    """What is pending about a thing, one row at most, for a page that asks more at once: what, how much, who asked."""
    return (
        sa.select(Approval.id, Approval.amount, Person.name.label("asker"))
        .outerjoin(Person, Person.id == Approval.asked_by)
        .where(
            Approval.subject_id == subject_id, Approval.decision == Decision.PENDING,
            sa.literal(can_see_approvals(seen_by)), *unwalled_approvals(seen_by),
        )
        .order_by(Approval.asked_at.desc(), Approval.id.desc()).limit(1)
        .subquery("pending")
    )


def approvers_of(approval_id: UUID) -> Sequence[Person]:
    """Whoever works here, may decide it, is within their limits and behind no wall; not who asked for it."""
    approval = db.session.get(Approval, approval_id)
    if approval is None:
        return []
    roles = [role for role, allowed in ROLES.items() if NEEDED[approval.kind] in allowed]
    walled = sa.select(Wall.person_id).where(
        sa.or_(Wall.client_id.in_(approval.client_ids), Wall.engagement_id.in_(approval.engagement_ids))
    )
    today, at = clock.today(), now()

    def within(kind: ApprovalKind, amount: object) -> sa.ColumnElement[bool]:
        limit = limit_of(kind.value, approval.entity_id, Person.id, sa.cast(Person.role, sa.Text), today, at)
        return (INFINITE if amount is None else sa.literal(amount)) <= limit

    able = [within(approval.kind, approval.base_amount)]
    if approval.written_off:
        able.append(within(ApprovalKind.WRITE_OFF, approval.written_off_base))
    return db.session.scalars(
        sa.select(Person).where(
            Person.state == PersonState.ACTIVE, Person.role.in_(roles), Person.id.not_in(walled),
            Person.id.is_distinct_from(approval.asked_by), *able,
        ).order_by(Person.sort_key)
    ).all()


def list_limits(*, seen_by: Actor) -> Sequence[ApprovalLimit]:
    """The limits in use, of today and to come; of each kind the roles first."""
    if not can_edit_limits(seen_by):
        return []
    return db.session.scalars(
        sa.select(ApprovalLimit).where(ApprovalLimit.withdrawn_at.is_(None))
        .options(joinedload(ApprovalLimit.entity), joinedload(ApprovalLimit.person))
        .order_by(ApprovalLimit.kind, ApprovalLimit.entity_id, ApprovalLimit.person_id.is_not(None),
                  ApprovalLimit.role, ApprovalLimit.person_id, ApprovalLimit.from_on.desc())
    ).all()


def get_limit(limit_id: UUID, *, seen_by: Actor) -> ApprovalLimit:
    return get_or_404(
        sa.select(ApprovalLimit).where(ApprovalLimit.id == limit_id, sa.literal(can_edit_limits(seen_by)))
    )


def unlimited_people(kind: ApprovalKind, entity_id: UUID) -> Sequence[Person]:
    """Whoever decides about any amount of this kind; where there is nobody, some of it can never be approved."""
    roles = [role for role, allowed in ROLES.items() if NEEDED[kind] in allowed]
    limit = limit_of(kind.value, entity_id, Person.id, sa.cast(Person.role, sa.Text), clock.today(), now())
    return db.session.scalars(
        sa.select(Person).where(Person.state == PersonState.ACTIVE, Person.role.in_(roles), limit == INFINITE)
    ).all()
