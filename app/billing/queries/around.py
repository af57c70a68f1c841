"""What stands around the lists of billing, whatever is in them: asked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from app.approvals.queries import to_decide_count
from app.billing.queries.invoices import pending_count
from app.core.actors import Actor
from app.core.db import db
from app.firm.queries import OfficeName, as_offices, office_names
from app.timekeeping.waiting import Waiting, as_waiting, waiting_of


@dataclass(frozen=True)
class Around:
    """The counts of the tabs (drafts, and what waits for the viewer's approval), the offices of the filter, and what
    waits for a rate and is therefore in no figure."""

    pending: int
    to_decide: int
    offices: Sequence[OfficeName]
    waiting: Waiting


def around_lists(*, seen_by: Actor) -> Around:
    row = db.session.execute(_around(seen_by)).one()
    return Around(row.pending, row.to_decide, as_offices(row.offices), as_waiting(row))


def counts_of_pending(*, seen_by: Actor) -> tuple[int, int]:
    """The counts of the tabs alone."""
    row = db.session.execute(_counts(seen_by)).one()
    return row.pending, row.to_decide


@lru_cache(maxsize=256)
def _counts(seen_by: Actor) -> sa.Select[*tuple[Any, ...]]:
    """Made once for each pair of eyes: making it costs more than asking it."""
    return sa.select(pending_count(seen_by).label("pending"), to_decide_count(seen_by).label("to_decide"))


@lru_cache(maxsize=256)
def _around(seen_by: Actor) -> sa.Select[*tuple[Any, ...]]:
    return _counts(seen_by).add_columns(office_names().label("offices"), *waiting_of(seen_by).c)
