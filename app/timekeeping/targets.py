"""What time is recorded on: a task, a job or an engagement, as forms spell it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from uuid import UUID

from app.core.ids import parse_id

KINDS = ("task", "job", "engagement")


@dataclass(frozen=True, kw_only=True)
class Target:
    """A task, a job or an engagement; the most exact one counts."""

    task_id: UUID | None = None
    job_id: UUID | None = None
    engagement_id: UUID | None = None

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """`job:0199…` as a lookup hands it out; None if it is not one."""
        kind, _, rest = text.partition(":")
        found = parse_id(rest)
        return cls(**{f"{kind}_id": found}) if found and kind in KINDS else None

    @classmethod
    def of(cls, row: object) -> Self:
        """Where a timer or an entry is."""
        return cls(**{f"{kind}_id": getattr(row, f"{kind}_id", None) for kind in KINDS})

    def __bool__(self) -> bool:
        return bool(self.task_id or self.job_id or self.engagement_id)

    def __str__(self) -> str:
        return next((f"{kind}:{getattr(self, f'{kind}_id')}" for kind in KINDS if getattr(self, f"{kind}_id")), "")
