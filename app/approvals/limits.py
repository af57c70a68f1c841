"""Judging an amount against the limits of whoever acts, in the currency of the entity's books."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa

from app.approvals.models import ApprovalKind
from app.core.actors import Actor
from app.core.clock import now, today
from app.core.db import db
from app.core.locking import take_turn
from app.core.money import round_amount
from app.core.wording import amount as said
from app.ledger.books import books_of_entity
from app.ledger.queries import find_rate_on

# Whoever judges holds it shared, whoever sets a limit alone: so that time tells which limits an act went by.
LIMITS = "limits of approval"
TURN = "turn of limits"
TODAY_TOO = "With what you gave up there today it is"

# Read when a statement runs, so that it can be made once and kept.
TODAY: sa.BindParameter[dt.date] = sa.bindparam("day_of_limits", callable_=today, type_=sa.Date())
NOW: sa.BindParameter[dt.datetime] = sa.bindparam(
    "moment_of_limits", callable_=now, type_=sa.DateTime(timezone=True)
)


def limit_of(
    kind: object, entity: object, person: object, role: object, day: object, at: object
) -> sa.Function[Decimal]:
    """SQL for the limit that holds for a person at a moment; infinite where there is none."""
    return sa.func.approval_limit_of(kind, entity, person, role, day, at)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Two amounts in base (None: no exchange rate says), and the limits for them (None: no limit).

    `before` counts with the first, `before_off` with the second: what was given up alone already and is one matter
    with it.
    """

    base_currency: str
    base_amount: Decimal | None
    limit: Decimal | None
    written_off: Decimal
    written_off_base: Decimal | None
    written_off_limit: Decimal | None
    before: Decimal = Decimal(0)
    before_off: Decimal = Decimal(0)

    @property
    def within(self) -> bool:
        return _within(self.base_amount, self.limit, self.before) and (
            not self.written_off or _within(self.written_off_base, self.written_off_limit, self.before_off)
        )

    @property
    def why_not(self) -> str:
        """What stands in the way, as a sentence."""
        if self.before and self.base_amount is not None and not _within(self.base_amount, self.limit, self.before):
            both = self.base_amount + self.before
            return _too_much(both, self.limit, self.base_currency, TODAY_TOO)
        if not _within(self.base_amount, self.limit):
            return _too_much(self.base_amount, self.limit, self.base_currency, "It is")
        if self.before_off and _within(self.written_off_base, self.written_off_limit):
            both = (self.written_off_base or Decimal(0)) + self.before_off
            return _too_much(both, self.written_off_limit, self.base_currency, TODAY_TOO)
        return _too_much(self.written_off_base, self.written_off_limit, self.base_currency, "It gives up")


def _within(amount: Decimal | None, limit: Decimal | None, before: Decimal = Decimal(0)) -> bool:
    return limit is None or (amount is not None and amount + before <= limit)


def _too_much(amount: Decimal | None, limit: Decimal | None, currency: str, it: str) -> str:
    assert limit is not None
    if amount is None:
        return f"Without an exchange rate to {currency} it cannot be held against your limit."
    return f"{it} {said(amount, currency)} {currency}; your limit is {said(limit, currency)}."


def judge(
    kind: ApprovalKind, entity_id: UUID, amount: Decimal, currency: str, day: dt.date, *, by: Actor,
    written_off: Decimal = Decimal(0), before: Decimal = Decimal(0),
) -> Judged:
    """Hold an amount, at the rate of a day, and what is given up with it against the limits of whoever acts; `before`
    (in base) counts with what is given up.

    The system has none.
    """
    base = books_of_entity(entity_id).currency
    exchange = find_rate_on(currency, base, day)
    limit, written_off_limit = _limits(kind, entity_id, by=by)
    return Judged(
        base_currency=base,
        base_amount=round_amount(amount * exchange.rate, base) if exchange else None,
        limit=limit,
        written_off=written_off,
        written_off_base=round_amount(written_off * exchange.rate, base) if exchange else None,
        written_off_limit=written_off_limit,
        before=before if kind is ApprovalKind.WRITE_OFF else Decimal(0),
        before_off=Decimal(0) if kind is ApprovalKind.WRITE_OFF else before,
    )


def limit_today(kind: ApprovalKind, entity_id: UUID, *, by: Actor) -> tuple[Decimal | None, str]:
    """The limit of whoever acts, None where there is none, and the currency that it is in."""
    return _limits(kind, entity_id, by=by)[0], books_of_entity(entity_id).currency


def _limits(kind: ApprovalKind, entity_id: UUID, *, by: Actor) -> tuple[Decimal | None, Decimal | None]:
    """Those that hold today, whatever day the act is dated."""
    if by.person_id is None:
        return None, None
    take_turn(LIMITS, at=TURN, shared=True)
    day, at = today(), now()
    row = db.session.execute(
        sa.select(*[
            limit_of(each.value, entity_id, by.person_id, by.role, day, at)
            for each in (kind, ApprovalKind.WRITE_OFF)
        ])
    ).one()
    return _finite(row[0]), _finite(row[1])


def _finite(limit: Decimal) -> Decimal | None:
    return limit if limit.is_finite() else None
