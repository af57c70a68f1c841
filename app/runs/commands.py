"""Starting, doing, stopping and resuming long work."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects import postgresql

from app.activity.commands import record
from app.core import live
from app.core.actors import SYSTEM, Actor
from app.core.causes import because_of
from app.core.clock import now
from app.core.db import db, transaction
from app.core.errors import FirmamentError, NotFound, Refused
from app.core.ids import new_id
from app.core.locking import to_lock
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.core.queue import enqueue, registered, send_or_refuse
from app.firm.policy import can_edit_settings
from app.runs.models import FailedWork, ItemState, Run, RunItem, RunState

log = structlog.get_logger()
Result = dict[str, Any] | None
Worker = Callable[[Run, RunItem, Actor], Result]
_workers: dict[str, Worker] = {}
ACTOR_KEPT_FOR = 100


class Skip(Exception):
    """Raised by a worker for an item that needs nothing done; the message says why."""


def works(kind: str) -> Callable[[Worker], Worker]:
    """Register the function that does one item of a run of this kind, inside the item's own transaction."""

    def register(worker: Worker) -> Worker:
        _workers[kind] = worker
        return worker

    return register


def _can_note_work(by: Actor) -> bool:
    return by.is_system


def can_run(by: Actor, run: Run | None = None) -> bool:
    return by.is_system or by.is_person


def start_run(
    run_id: UUID,
    kind: str,
    title: str,
    items: Sequence[tuple[str, dict[str, Any]]],
    *,
    by: Actor,
    options: dict[str, Any] | None = None,
    said: UUID | None = None,
) -> Run:
    """Write a run with its (label, payload) items and send it to the queue.

    The same id again changes nothing. `said` digests what was asked for, where items are made anew at each press.
    """
    authorize(by, can_run)
    with transaction() as session:
        said = said or digest_of(kind, title, options, items)
        existing = made_before(Run, run_id, said)
        if existing is not None:
            return existing
        run = Run(
            id=run_id,
            kind=kind,
            title=title,
            options=options or {},
            total=len(items),
            started_by=by.person_id,
            created_at=now(),
            made_from=said,
        )
        session.add(run)
        session.flush()
        if items:
            session.execute(
                sa.insert(RunItem),
                [
                    {"run_id": run_id, "position": n, "label": label, "payload": payload}
                    for n, (label, payload) in enumerate(items)
                ],
            )
        record("runs.run.start", run, by=by, kind_of_run=kind, title=title, items=len(items))
        enqueue("runs.work", run_id=str(run_id))
        return run


def stop_run(run: Run, *, by: Actor) -> None:
    """Stop after the item under way; what is done stays done."""
    authorize(by, can_run, run)
    with transaction():
        if run.state is RunState.RUNNING:
            run.state = RunState.STOPPED
            record("runs.run.stop", run, by=by, title=run.title)
            live.publish(f"run:{run.id}")


def resume_run(run: Run, *, by: Actor) -> None:
    """Go on with what is waiting, and try once more what failed."""
    authorize(by, can_run, run)
    with transaction() as session:
        session.execute(to_lock(sa.select(Run).where(Run.id == run.id), lightly=True))
        if run.state is RunState.RUNNING:
            return
        session.execute(
            sa.update(RunItem)
            .where(RunItem.run_id == run.id, RunItem.state == ItemState.FAILED)
            .values(state=ItemState.WAITING, message="")
        )
        run.state = RunState.RUNNING
        run.finished_at = None
        record("runs.run.resume", run, by=by, title=run.title)
        enqueue("runs.work", run_id=str(run.id))


def work_run(run_id: UUID, actor_of: Callable[[UUID | None], Actor]) -> int:
    """Do waiting items one by one until none is left or the run is stopped. Returns how many this call did.

    Who acts is asked anew every hundred items, so that a change of role or a new wall holds soon.
    """
    done = 0
    known = lru_cache(maxsize=4)(actor_of)
    while _work_one(run_id, known):
        done += 1
        db.session.expire_all()
        if done % ACTOR_KEPT_FOR == 0:
            known.cache_clear()
    return done


def _work_one(run_id: UUID, actor_of: Callable[[UUID | None], Actor]) -> bool:
    with transaction() as session:
        run = session.scalar(
            to_lock(sa.select(Run).where(Run.id == run_id), shared=True, lightly=True)
        )
        if run is None or run.state is not RunState.RUNNING:
            return False
        item = session.scalar(
            to_lock(
                sa.select(RunItem)
                .where(RunItem.run_id == run_id, RunItem.state == ItemState.WAITING)
                .order_by(RunItem.position)
                .limit(1),
                skip_taken=True,
            )
        )
        if item is None:
            _finish_if_done(run)
            return False
        try:
            with transaction(), because_of("run", run_id):
                result = _workers[run.kind](run, item, actor_of(run.started_by))
            item.result, item.state = result, ItemState.DONE
        except Skip as skip:
            item.state, item.message = ItemState.SKIPPED, str(skip)
        except FirmamentError as error:
            item.state, item.message = ItemState.FAILED, error.message
        except sa.exc.OperationalError:
            raise
        except Exception as error:  # one bad item must not stop the other nine hundred
            log.exception("run.item.broken", run=str(run_id), position=item.position)
            item.state, item.message = ItemState.FAILED, f"Unexpected error ({type(error).__name__}); nothing was done."
        live.publish(f"run:{run_id}")
    return True


def _finish_if_done(run: Run) -> None:
    open_items = db.session.scalar(
        sa.select(sa.func.count()).where(RunItem.run_id == run.id, RunItem.state == ItemState.WAITING)
    )
    if not open_items and run.state is RunState.RUNNING:
        run.state, run.finished_at = RunState.FINISHED, now()
        record("runs.run.finish", run, by=SYSTEM, title=run.title, items=run.total)
        live.publish(f"run:{run.id}")


def note_work(name: str, payload: dict[str, Any], error: str, *, by: Actor) -> None:
    """How background work ended: an error is kept, once however often it comes, and a success takes it away."""
    authorize(by, _can_note_work)
    said = hashlib.sha256(json.dumps([name, payload], sort_keys=True).encode()).digest()
    with transaction() as session:
        if not error:
            session.execute(sa.delete(FailedWork).where(FailedWork.said == said))
            return
        values = {"error": error.replace("\x00", "")[:1000], "last_at": now(), "asked_again_at": None}
        made = postgresql.insert(FailedWork).values(
            id=new_id(), name=name, payload=payload, said=said, times=1, failed_at=now(), **values
        )
        session.execute(made.on_conflict_do_update(
            index_elements=["said"], set_={**values, "times": FailedWork.times + 1}
        ))


def try_failed_work(work: FailedWork, *, by: Actor) -> None:
    """Put it into its queue again; it leaves the list when it succeeds."""
    authorize(by, can_edit_settings)
    if work.name not in registered():
        raise Refused("This version knows no such work any more.")
    with transaction():
        _hold(work)
        work.asked_again_at = now()
        send_or_refuse(work.name, **work.payload)  # no sweep would find it; a worker waits for the row
        record("runs.work.try", work, by=by, name=work.name)


def forget_failed_work(work: FailedWork, *, by: Actor) -> None:
    """It need not be done any more; should it fail again, it is listed again."""
    authorize(by, can_edit_settings)
    with transaction() as session:
        _hold(work)
        record("runs.work.forget", work, by=by, name=work.name)
        session.delete(work)


def _hold(work: FailedWork) -> None:
    """Raises NotFound where it succeeded, or somebody let it be, since it was looked at."""
    if db.session.scalar(to_lock(sa.select(FailedWork).where(FailedWork.id == work.id))) is None:
        raise NotFound("This work has been done meanwhile, or somebody let it be.")
