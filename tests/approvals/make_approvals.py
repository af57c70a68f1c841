"""Limits for the tests of approval, and what proofs find."""

from __future__ import annotations

from decimal import Decimal

from app.approvals.commands import LimitFacts, set_limit
from app.approvals.models import ApprovalKind, ApprovalLimit
from app.core import clock
from app.core.ids import new_id
from app.core.permissions import Role
from app.core.proofs import Finding, run_proofs
from app.people.models import Person
from tests.make import Cast

BILL, WRITE_OFF = ApprovalKind.BILL, ApprovalKind.WRITE_OFF


def limit(cast: Cast, who: Role | Person, amount: str | None, kind: ApprovalKind = BILL) -> ApprovalLimit:
    """Ada sets a limit from today on; None is no limit."""
    facts = LimitFacts(
        entity_id=cast.entity.id, kind=kind, amount=None if amount is None else Decimal(amount),
        from_on=clock.today(), role=who if isinstance(who, Role) else None,
        person_id=None if isinstance(who, Role) else who.id,
    )
    return set_limit(new_id(), facts, by=cast.actor(cast.ada))


def found_by(*names: str) -> list[Finding]:
    """What the proofs whose names begin like this find wrong."""
    return [finding for _, findings in run_proofs(*names) for finding in findings]
