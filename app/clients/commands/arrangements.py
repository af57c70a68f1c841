"""What is agreed about billing an engagement: by the hour, for a fee, not at all; from a day on."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.activity.commands import record
from app.clients.commands._shared import apply_changes, lock_version
from app.clients.lowering import Lowering, judge_lowering
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.clients.policy import can_edit_engagement
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.money import round_amount
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.wording import amount

LONGEST = 300


@dataclass(frozen=True, kw_only=True)
class ArrangementFacts:
    """How work is billed from a day on (None: from the start). A fixed one has its fee, net of tax."""

    kind: ArrangementKind = ArrangementKind.HOURLY
    agreed_amount: Decimal | None = None
    name: str = ""
    from_on: dt.date | None = None


def first_arrangement(engagement: Engagement, facts: ArrangementFacts) -> Arrangement:
    """What holds from the start; every engagement is made together with it."""
    return Arrangement(
        id=new_id(), engagement_id=engagement.id, currency=engagement.currency, drawn=Decimal(0), terms={},
        from_on=None, **_checked(facts, engagement.currency),
    )


def add_arrangement(
    arrangement_id: UUID, engagement: Engagement, facts: ArrangementFacts, *, by: Actor
) -> Arrangement:
    """Agree something else from a day on; work before it stays billed as it was. The same id and facts again change
    nothing."""
    authorize(by, can_edit_engagement, engagement)
    with transaction() as session:
        said = digest_of(engagement.id, facts)
        existing = made_before(Arrangement, arrangement_id, said, seen=lambda row: row.engagement_id == engagement.id)
        if existing is not None:
            return existing
        if facts.from_on is None:
            raise Refused("From which day on does it hold?", field="from_on")
        arrangement = Arrangement(
            id=arrangement_id, engagement_id=engagement.id, currency=engagement.currency, drawn=Decimal(0), terms={},
            from_on=facts.from_on, made_from=said, **_checked(facts, engagement.currency),
        )
        _refuse_same_day(arrangement)
        session.add(arrangement)
        record("clients.arrangement.add", engagement, by=by, name=engagement.name, **_told(arrangement))
        return arrangement


def change_arrangement(
    arrangement: Arrangement, facts: ArrangementFacts, *, by: Actor, version: int | None = None, reason: str = ""
) -> Arrangement:
    """Change what is agreed. A fee never falls below what drafts and bills take of it; less than was agreed is given
    up, which takes a reason and counts before the limit for write-offs. Raises Refused, Stale."""
    engagement = db.session.get_one(Engagement, arrangement.engagement_id)
    authorize(by, can_edit_engagement, engagement)
    with transaction():
        lock_version(arrangement, version)
        db.session().refresh(arrangement, ["drawn", "agreed_amount", "kind", "archived_at"])
        _refuse_archived(arrangement)
        values = _checked(facts, arrangement.currency)
        if arrangement.drawn and (values["agreed_amount"] or 0) < arrangement.drawn:
            taken = f"{amount(arrangement.drawn, arrangement.currency)} {arrangement.currency}"
            if values["kind"] is not arrangement.kind:
                raise Refused(
                    f"{taken} of this fee is billed or on a draft; agree something else from a day on instead.",
                    field="kind",
                )
            raise Refused(
                f"{taken} of this fee is billed or on a draft already; it cannot be less.", field="agreed_amount"
            )
        if (facts.from_on is None) != (arrangement.from_on is None):
            raise Refused(
                "What holds from the start has no day." if facts.from_on else "From which day on does it hold?",
                field="from_on",
            )
        _give_up(arrangement, engagement, values, reason, by=by)
        before = _told(arrangement)
        if apply_changes(arrangement, values | {"from_on": facts.from_on}):
            _refuse_same_day(arrangement)
            record(
                "clients.arrangement.change", engagement, by=by, name=engagement.name, before=before,
                reason=reason.strip(), **_told(arrangement),
            )
        return arrangement


def archive_arrangement(arrangement: Arrangement, *, by: Actor, reason: str = "") -> None:
    """It holds no more: nothing further is billed of its fee, and work from its day on goes by the one before it.

    What is left of a fee is given up, as when it is lowered.
    """
    engagement = db.session.get_one(Engagement, arrangement.engagement_id)
    authorize(by, can_edit_engagement, engagement)
    with transaction():
        lock_version(arrangement, None)
        db.session().refresh(arrangement, ["archived_at", "drawn", "agreed_amount", "kind"])
        if arrangement.archived_at is not None:
            return
        if arrangement.from_on is None:
            raise Refused("What holds from the start is changed, not taken away.")
        _give_up(arrangement, engagement, None, reason, by=by)
        arrangement.archived_at = now()
        record(
            "clients.arrangement.archive", engagement, by=by, name=engagement.name, reason=reason.strip(),
            **_told(arrangement),
        )


def restore_arrangement(arrangement: Arrangement, *, by: Actor) -> None:
    """Undo of taking it away."""
    engagement = db.session.get_one(Engagement, arrangement.engagement_id)
    authorize(by, can_edit_engagement, engagement)
    with transaction():
        lock_version(arrangement, None)
        db.session().refresh(arrangement, ["archived_at"])
        if arrangement.archived_at is None:
            return
        arrangement.archived_at = None
        _refuse_same_day(arrangement)
        record("clients.arrangement.restore", engagement, by=by, name=engagement.name, **_told(arrangement))


def _give_up(
    arrangement: Arrangement, engagement: Engagement, values: dict[str, Any] | None, reason: str, *, by: Actor
) -> None:
    """Ask whoever judges it where less is billed from now on than was agreed. A fee that is lowered is one, and so is
    one that ends or becomes something else; what it had drawn stays."""
    agreed, kept = arrangement.agreed_amount, arrangement.drawn
    if arrangement.kind is not ArrangementKind.FIXED or agreed is None:
        return
    if values is not None and values["kind"] is ArrangementKind.FIXED:
        kept = values["agreed_amount"]
    if agreed > kept:
        less = Lowering(
            engagement=engagement, arrangement=arrangement, amount=agreed - kept, wanted=values, reason=reason
        )
        judge_lowering(less, by=by)


def _refuse_archived(arrangement: Arrangement) -> None:
    if arrangement.archived_at is not None:
        raise Refused("This arrangement was taken away; bring it back first.")


def _refuse_same_day(arrangement: Arrangement) -> None:
    with db.session.no_autoflush:
        other = db.session.scalar(
            sa.select(Arrangement.id).where(
                Arrangement.engagement_id == arrangement.engagement_id, Arrangement.id != arrangement.id,
                Arrangement.from_on == arrangement.from_on, Arrangement.archived_at.is_(None),
            )
        )
    if other is not None:
        raise Refused("Another arrangement begins on that day; change that one.", field="from_on")


def _told(arrangement: Arrangement) -> dict[str, Any]:
    return {
        "billed": arrangement.kind, "agreed_amount": arrangement.agreed_amount, "called": arrangement.name,
        "from_on": arrangement.from_on, "currency": arrangement.currency,
    }


def _checked(facts: ArrangementFacts, currency: str) -> dict[str, Any]:
    if facts.kind is not ArrangementKind.FIXED:
        if facts.agreed_amount:
            raise Refused("Only a fixed fee has an amount; choose it above or leave this empty.", field="agreed_amount")
        return {"kind": facts.kind, "agreed_amount": None, "name": facts.name.strip()[:LONGEST]}
    if facts.agreed_amount is not None and facts.agreed_amount < 0:
        raise Refused("A fee is not below zero.", field="agreed_amount")
    if not facts.agreed_amount:
        raise Refused("A fixed arrangement needs its fee.", field="agreed_amount")
    fee = round_amount(facts.agreed_amount, currency)
    return {"kind": facts.kind, "agreed_amount": fee, "name": facts.name.strip()[:LONGEST]}
