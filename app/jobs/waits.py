"""Why a step waits for the client, said by the room that knows; steps that no room explains wait for answers."""

from __future__ import annotations

from collections.abc import Callable, Collection
from uuid import UUID

Explains = Callable[[Collection[UUID]], dict[UUID, str]]
_explain: list[Explains] = []


def explains_waiting(function: Explains) -> Explains:
    """Register what tells, of steps by id, why each waits: words that go on after the step's name."""
    _explain.append(function)
    return function


def why_waiting(task_ids: Collection[UUID]) -> dict[UUID, str]:
    """By step: what it waits for. One query a room, none for no step."""
    found: dict[UUID, str] = {}
    for explain in _explain if task_ids else ():
        found |= explain(task_ids)
    return found
