"""Slowing down whoever guesses: counted in the database, by account and by address, for all processes together."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import Throttled
from app.core.locking import take_turn
from app.people.models import SignInAttempt

WINDOW = dt.timedelta(minutes=15)
TOO_MANY = "Too many tries in a short time. Wait a little; what you need is still here."


@dataclass(frozen=True)
class Door:
    """How many failures a way in bears within a quarter of an hour."""

    name: str
    per_account: int
    per_address: int


PASSWORD = Door("app", per_account=10, per_address=100)
CODE = Door("code", per_account=8, per_address=100)
CONFIRMATION = Door("confirm", per_account=10, per_address=100)
RESET = Door("reset", per_account=5, per_address=30)
LINK = Door("link", per_account=10_000, per_address=100)


def account_mark(text: str) -> str:
    """An account as the throttle knows it: a digest, since people type passwords into the wrong field."""
    return hashlib.sha256(text.strip().casefold().encode()).hexdigest()[:32]


def begin_try(door: Door, account: str, address: str) -> SignInAttempt:
    """Count one try as failed until it is known better; raises Throttled without counting when there were too many.

    The row is committed before anything is verified, so that many tries at once cannot slip past the count.
    """
    mark = account_mark(account)
    with transaction() as session:
        take_turn(f"try {door.name} {mark}", f"try {door.name} at {address}")
        wait = max(
            _wait(door, SignInAttempt.account == mark, door.per_account),
            _wait(door, SignInAttempt.address == address, door.per_address, forgive=False) if address else 0,
        )
        if not wait:
            attempt = SignInAttempt(at=now(), account=mark, address=address, door=door.name, succeeded=False)
            session.add(attempt)
    if wait:
        raise Throttled(TOO_MANY, retry_after=wait)
    return attempt


def is_now_locked(door: Door, attempt: SignInAttempt) -> bool:
    """Whether this failure was the last one that the account bears for now."""
    return _wait(door, SignInAttempt.account == attempt.account, door.per_account) > 0


def end_try(attempt_id: UUID) -> None:
    """It was the right one: the account's failures before it no longer count."""
    with transaction() as session:
        session.execute(sa.update(SignInAttempt).where(SignInAttempt.id == attempt_id).values(succeeded=True))


def _wait(door: Door, same: sa.ColumnElement[bool], limit: int, *, forgive: bool = True) -> int:
    """Whole seconds until another try is free; 0 when one is."""
    statement = sa.select(SignInAttempt.at, SignInAttempt.succeeded).where(
        same, SignInAttempt.door == door.name, SignInAttempt.at > now() - WINDOW
    ).order_by(SignInAttempt.at.desc()).limit(limit * 2 + 50)
    failures: list[dt.datetime] = []
    for at, succeeded in db.session.execute(statement):
        if succeeded and forgive:
            break
        if not succeeded:
            failures.append(at)
    if len(failures) < limit:
        return 0
    return max(1, math.ceil((failures[limit - 1] + WINDOW - now()).total_seconds()))
