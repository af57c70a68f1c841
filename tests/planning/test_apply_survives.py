"""A killed worker and two workers at once: every client gets one job, none two."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.catalogue.models import Cadence
from app.core.db import db, transaction
from app.core.ids import new_id
from app.jobs.models import Job, Task
from app.planning.commands import applying
from app.planning.commands.applications import ApplicationValues, prepare_application, run_application
from app.runs.background import sweep, work
from app.runs.models import ItemState, RunItem
from tests.make import make_cast, make_client
from tests.planning.make_planning import make_service

pytestmark = pytest.mark.real
CLIENTS = 12


class Killed(BaseException):
    """What a SIGKILL looks like from inside: nothing after it runs, its transaction is rolled back."""


def begin() -> UUID:
    with transaction():
        cast = make_cast()
        _service, template = make_service(request=False)
        ids = [make_client(f"Client {n}", cast.office).id for n in range(CLIENTS)]
        application = prepare_application(
            new_id(), template, ApplicationValues(Cadence.MONTH, dt.date(2026, 10, 15), repeat=True), ids,
            by=cast.actor(cast.mel),
        )
        return run_application(application, by=cast.actor(cast.mel)).id


def in_thread(app: Flask, work_of: Callable[[], object]) -> threading.Thread:
    def run() -> None:
        with app.app_context():
            work_of()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def counts() -> tuple[int, int, int]:
    db.session.rollback()
    session = db.session
    jobs = session.scalar(sa.select(sa.func.count()).select_from(Job)) or 0
    clients = session.scalar(sa.select(sa.func.count(sa.distinct(Job.client_id)))) or 0
    done = session.scalar(sa.select(sa.func.count()).where(RunItem.state == ItemState.DONE)) or 0
    return jobs, clients, done


def test_a_killed_worker_loses_nothing_and_doubles_nothing(real_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with real_app.app_context():
        run_id = begin()
        create, calls = applying.create_planned_job, iter(range(CLIENTS * 2))

        def kill_after_four(*args: object, **words: object) -> object:
            made = create(*args, **words)  # type: ignore[arg-type]
            if next(calls) == 4:
                raise Killed
            return made

        monkeypatch.setattr(applying, "create_planned_job", kill_after_four)
        with pytest.raises(Killed):
            work(str(run_id))
        assert counts() == (4, 4, 4)
        monkeypatch.setattr(applying, "create_planned_job", create)
        sweep()
        assert counts() == (CLIENTS, CLIENTS, CLIENTS)
        assert db.session.scalar(sa.select(sa.func.count()).select_from(Task)) == 3 * CLIENTS


def test_two_workers_share_a_run(real_app: Flask) -> None:
    with real_app.app_context():
        run_id = begin()
        threads = [in_thread(real_app, lambda: work(str(run_id))) for _ in range(2)]
        for thread in threads:
            thread.join(60)
        assert counts() == (CLIENTS, CLIENTS, CLIENTS)
