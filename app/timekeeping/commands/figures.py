"""The figures of an item: what it is worth, what is written on or off and billed of it, and so what is open."""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol
from uuid import UUID

from app.core.errors import Refused
from app.core.wording import amount
from app.timekeeping.models import Expense, TimeEntry, WipItem


def topics_of(entry: TimeEntry | Expense) -> tuple[str, ...]:
    """What open pages listen to when this person's time changes."""
    return (f"person:{entry.person_id}", f"time:{entry.person_id}", "wip")


def topics_left(client_id: UUID, job_id: UUID | None, now_at: TimeEntry | Expense) -> tuple[str, ...]:
    """What pages listen to that show the place from which an entry or expense was moved; nothing where it stayed."""
    left = (f"client:{client_id}",) if client_id != now_at.client_id else ()
    return (*left, f"job:{job_id}") if job_id and job_id != now_at.job_id else left


def be_worth(item: WipItem, full: Decimal) -> None:
    """Be worth this if billable, else nothing; what is written and billed stays. Raises Refused when that is more."""
    item.value = full if item.billable else Decimal(0)
    settle(item)


def settle(item: WipItem) -> None:
    """Bring what is open, and the state, in line with the other figures. Raises Refused where they are more than it is
    worth."""
    if item.left < 0:
        raise Refused(
            f"It would be worth {amount(item.value, item.currency)}, but {_taken(item)}; take that back first.",
            field="net" if isinstance(item, Expense) else "recorded",
        )
    item.open_value = item.left
    item.state = item.standing


class Named(Protocol):
    """An engagement, or what was read of one."""

    @property
    def name(self) -> str: ...
    @property
    def currency(self) -> str: ...


def refuse_other_currency(item: TimeEntry | Expense, engagement: Named) -> None:
    """An amount written off or billed is in the currency it was decided in; it does not follow into another one."""
    if engagement.currency != item.currency and (item.written or item.billed):
        raise Refused(
            f"“{engagement.name}” is kept in {engagement.currency}, and {_taken(item)}; take that back first.",
            field="work",
        )


def _taken(item: WipItem) -> str:
    """“90.00 of it is written off”, with what bills took of it."""
    parts = []
    if item.written:
        parts.append(f"{amount(abs(item.written), item.currency)} {item.currency} of it is written "
                     f"{'off' if item.written < 0 else 'on'}")
    if item.billed:
        parts.append(f"{amount(item.billed, item.currency)} {item.currency} {'' if parts else 'of it '}is billed")
    return " and ".join(parts)
