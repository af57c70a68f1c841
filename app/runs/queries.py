"""Reading runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

import sqlalchemy as sa

from app.clients.policy import within_sight
from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.firm.policy import can_edit_settings
from app.runs.models import FailedWork, ItemState, Run, RunItem, RunState

Tells = Callable[[Run], str]
_told: dict[str, Tells] = {}


def tells(kind: str) -> Callable[[Tells], Tells]:
    """Register what a run of this kind has brought about, in one sentence, beside how far it is."""

    def register(function: Tells) -> Tells:
        _told[kind] = function
        return function

    return register


def told_of(run: Run) -> str:
    tell = _told.get(run.kind)
    return tell(run) if tell else ""


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    total: int
    done: int
    skipped: int
    failed: int

    @property
    def finished(self) -> int:
        return self.done + self.skipped + self.failed

    @property
    def percent(self) -> int:
        return 100 if not self.total else self.finished * 100 // self.total


def get_run(run_id: UUID, *, seen_by: Actor) -> Run:
    if not (seen_by.is_person or seen_by.is_system):
        raise NotFound()
    return get_or_404(sa.select(Run).where(Run.id == run_id))


def list_runs(*, seen_by: Actor, kind: str | None = None, limit: int = 20) -> Sequence[Run]:
    if not (seen_by.is_person or seen_by.is_system):
        return []
    statement = sa.select(Run).order_by(Run.created_at.desc()).limit(limit)
    return db.session.scalars(statement.where(Run.kind == kind) if kind else statement).all()


def progress(run: Run) -> Progress:
    counts = dict(
        db.session.execute(
            sa.select(RunItem.state, sa.func.count()).where(RunItem.run_id == run.id).group_by(RunItem.state)
        )

        .all()
    )
    return Progress(
        run.total, counts.get(ItemState.DONE, 0), counts.get(ItemState.SKIPPED, 0), counts.get(ItemState.FAILED, 0)
    )


def items_of(
    run: Run, *states: ItemState, seen_by: Actor, limit: int = 100, page: int = 1
) -> Sequence[RunItem]:
    """What failed comes first. An item about a client is shown to whom that client may be seen by."""
    statement = (
        sa.select(RunItem).where(*_seen(run, seen_by))
        .order_by(RunItem.state != ItemState.FAILED, RunItem.position).limit(limit).offset((page - 1) * limit)
    )
    return db.session.scalars(statement.where(RunItem.state.in_(states)) if states else statement).all()


def count_items(run: Run, *, seen_by: Actor) -> dict[ItemState, int]:
    """How many items of each state one may see."""
    counting = sa.select(RunItem.state, sa.func.count()).where(*_seen(run, seen_by)).group_by(RunItem.state)
    return dict.fromkeys(ItemState, 0) | dict(db.session.execute(counting).all())


def _seen(run: Run, seen_by: Actor) -> list[sa.ColumnElement[bool]]:
    client_id = sa.cast(RunItem.payload["client_id"].astext, sa.Uuid)
    return [RunItem.run_id == run.id, *within_sight(seen_by, client_id)]


def list_failed_work(*, seen_by: Actor, limit: int = 200) -> Sequence[FailedWork]:
    """Background work that failed and has not succeeded since, the latest first; for who may change the settings."""
    if not can_edit_settings(seen_by):
        return []
    return db.session.scalars(
        sa.select(FailedWork).order_by(FailedWork.last_at.desc(), FailedWork.id.desc()).limit(limit)
    ).all()


def get_failed_work(work_id: UUID, *, seen_by: Actor) -> FailedWork:
    return get_or_404(
        sa.select(FailedWork).where(FailedWork.id == work_id, sa.literal(can_edit_settings(seen_by)))
    )


def running_runs() -> Sequence[UUID]:
    """Runs that have work waiting, for the sweeper."""
    return db.session.scalars(sa.select(Run.id).where(Run.state == RunState.RUNNING)).all()
