"""What somebody else recorded and a person with a limit for write-offs makes worth less."""

from __future__ import annotations

from app.approvals.limits import limit_today
from app.approvals.models import ApprovalKind
from app.core.actors import Actor
from app.core.errors import Refused
from app.core.wording import amount
from app.ledger.books import books_of
from app.timekeeping.commands.wip import Item, Place, place_of


def refuse_less(item: Item, before: Place, *, by: Actor) -> None:
    """Refuse to make another person's item worth less by changing or deleting it, where whoever acts has a limit.

    That would be a write-off that no limit sees, one small change after the other. One's own time is what one says
    that it is; everybody else writes it off, and is asked about what is above their limit.
    """
    after = place_of(item)
    less = after.amount < before.amount if after.currency == before.currency else not after.amount and before.amount
    if by.person_id in (None, item.person_id) or not less:
        return
    limit, currency = limit_today(ApprovalKind.WRITE_OFF, books_of(before.engagement_id).entity_id, by=by)
    if limit is not None:
        raise Refused(
            f"Your limit for write-offs is {amount(limit, currency)} {currency}, so what somebody else recorded is "
            "not made worth less by a change. Write it off instead, or let them put it right."
        )
