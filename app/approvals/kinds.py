"""What each kind of approval means: a room above says how its thing is called, found, approved and declined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.approvals.models import Approval, ApprovalKind
from app.core.actors import Actor


def _no_entries(approval: Approval, by: Actor) -> Sequence[Any]:
    return ()


def _nothing(approval: Approval, by: Actor) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """`approve` does what was asked, under the lock of its subject, or raises Refused when it has changed since.

    `hold` locks the subject before its approval is declined or withdrawn, and puts it back to what it was. `covers`
    names what else of it its events vouch for, `entries` is what of it the page lists.
    """

    words: Callable[[Approval], str]
    url: Callable[[Approval], str]
    approve: Callable[[Approval, Actor], object]
    hold: Callable[[Approval, Actor], object] = _nothing
    covers: tuple[str, ...] = ()
    entries: Callable[[Approval, Actor], Sequence[Any]] = _no_entries


_meanings: dict[ApprovalKind, Meaning] = {}


def means(kind: ApprovalKind, meaning: Meaning) -> None:
    _meanings[kind] = meaning


def meaning_of(kind: ApprovalKind) -> Meaning:
    return _meanings[kind]
