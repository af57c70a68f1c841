"""The last stage of a service is for jobs that are through: rooms above count what is open in a stage."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

Counts = Callable[[UUID, UUID], int]
_count: list[Counts] = []


def counts_open_in(function: Counts) -> Counts:
    """Register what counts the jobs that are not through, by service and stage, and locks them where they stand."""
    _count.append(function)
    return function


def open_in(service_id: UUID, stage_id: UUID) -> int:
    return sum(count(service_id, stage_id) for count in _count)
