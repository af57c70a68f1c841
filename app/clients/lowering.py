"""Agreeing to less than was agreed: a room above holds what is given up against the limits of whoever does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from app.clients.models import Arrangement, Engagement
from app.core.actors import Actor


@dataclass(frozen=True, kw_only=True)
class Lowering:
    """A fee, which is locked, of which `amount` will be billed no more; `wanted` is what it becomes, None: it ends."""

    engagement: Engagement
    arrangement: Arrangement
    amount: Decimal
    wanted: Mapping[str, Any] | None
    reason: str


Judges = Callable[[Lowering, Actor], None]
_judges: list[Judges] = []


def judges_lowering(function: Judges) -> Judges:
    """Register who is asked before a fee becomes less; they raise Refused, or note who decided it."""
    _judges.append(function)
    return function


def judge_lowering(lowering: Lowering, *, by: Actor) -> None:
    for each in _judges:
        each(lowering, by)
