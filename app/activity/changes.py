"""Setting a row's values and telling what became different, as events carry it."""

from __future__ import annotations

from typing import Any

Changes = dict[str, list[Any]]


def apply_values(row: Any, **values: Any) -> Changes:
    """Set the values that differ; returns {field: [before, after]} of those."""
    changes: Changes = {}
    for name, value in values.items():
        before = getattr(row, name)
        if before != value:
            changes[name] = [before, value]
            setattr(row, name, value)
    return changes
