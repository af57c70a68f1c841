"""What somebody gives up of a client in a day: write-offs, what bills give up, fees that are lowered, all together."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.approvals.commands import Matter, approve_matter
from app.approvals.limits import LIMITS, TURN, judge
from app.approvals.models import ApprovalKind
from app.billing.policy import can_see_wip
from app.billing.queries.given_up import given_up_by
from app.clients.lowering import Lowering, judges_lowering
from app.clients.policy import can_edit_engagement
from app.core import clock
from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.locking import take_turn
from app.core.once import digest_of
from app.core.permissions import Permission, authorize
from app.core.wording import amount

ZERO = Decimal(0)


def given_up_today(entity_id: UUID, client_ids: Iterable[UUID], *, by: Actor) -> Decimal:
    """What whoever acts gave up of these clients today without asking, in base.

    One at a time, so that two small ones at once are not each within the limit.
    """
    authorize(by, can_see_wip)
    if by.person_id is None:
        return ZERO
    take_turn(LIMITS, at=TURN)
    clients = sa.literal(sorted(set(client_ids)), sa.ARRAY(sa.Uuid()))
    return db.session.scalar(sa.select(given_up_by(by.person_id, entity_id, clients, clock.today()))) or ZERO


@judges_lowering
def _lower_fee(lowering: Lowering, by: Actor) -> None:
    """Note who agrees to less, and why: what is given up counts before the limit for write-offs, as any of it does.

    Raises Refused without a reason, for a role that writes nothing off, and above the limit of whoever acts: then
    somebody whose limit allows it lowers the fee. The arrangement is locked.
    """
    engagement, fee = lowering.engagement, lowering.arrangement
    authorize(by, can_edit_engagement, engagement)
    less = f"{amount(lowering.amount, fee.currency)} {fee.currency}"
    if not lowering.reason.strip():
        raise Refused(f"This gives up {less} of what was agreed. Say why.", field="reason")
    if not by.may(Permission.WIP_WRITE_OFF):
        raise Refused(f"This gives up {less}, which your role does not decide. Somebody else has to.", field="reason")
    before = given_up_today(engagement.entity_id, [engagement.client_id], by=by)
    judged = judge(
        ApprovalKind.FEE, engagement.entity_id, lowering.amount, fee.currency, clock.today(), by=by,
        written_off=lowering.amount, before=before,
    )  # fmt: skip
    if not judged.within:
        raise Refused(f"{judged.why_not} Somebody else, whose limit allows it, has to do this.", field="agreed_amount")
    said = digest_of(fee.id, fee.kind, fee.agreed_amount, fee.drawn, lowering.wanted, lowering.reason)
    matter = Matter(
        kind=ApprovalKind.FEE, subject_id=fee.id, entity_id=engagement.entity_id, client_id=engagement.client_id,
        client_ids=frozenset({engagement.client_id}), engagement_ids=frozenset({engagement.id}), currency=fee.currency,
        amount=lowering.amount, written_off=lowering.amount, digest=said.bytes, reason=lowering.reason.strip(),
    )  # fmt: skip
    approve_matter(matter, judged, by=by, asked_by=by.person_id)
