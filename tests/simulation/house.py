"""One firm in one process and one thread: both doors, the queue, the clock and the neighbours, moved by one seed.

A step is an act of a person at either door, a job that a worker takes from the queue, a sweep, or time that passes.
The process can be killed or lose its database before any statement; then it begins anew. Kept beside it is only what
people were told: what was acknowledged must be there in the end, once; what was refused must not.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.globals import _cv_app
from sqlalchemy.exc import DBAPIError
from werkzeug.test import TestResponse

from app.activity.covers import COVERS, LEDGER
from app.activity.models import Event, EventPayload, EventSeal
from app.clients.commands.contact_access import open_contact_session
from app.config import Settings
from app.core import queue
from app.core.actors import SYSTEM
from app.core.db import _door, db, transaction
from app.core.errors import FirmamentError
from app.core.ids import new_id
from app.people.models import Person
from tests.make import Cast, make_cast, sign_in
from tests.simulation.chance import Time, from_seed
from tests.simulation.fate import Fate, Killed, fate_of
from tests.simulation.neighbours import Bucket, MailServer

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}/?")
DONE, REFUSED, UNKNOWN = "done", "refused", "unknown"
# How often something goes wrong with a piece of work, and with what a neighbour is asked.
UNLUCKY, TROUBLE = 0.35, 0.15


@dataclass
class Told:
    """What people were told, and nothing of what the product did."""

    made: dict[UUID, str] = field(default_factory=dict)
    refused: dict[UUID, str] = field(default_factory=dict)
    unknown: dict[UUID, str] = field(default_factory=dict)
    # Of an answer: what it may be by now, the last one acknowledged and those nobody knows of.
    answers: dict[UUID, set[str]] = field(default_factory=dict)
    finished: dict[UUID, bool | None] = field(default_factory=dict)
    files: dict[UUID, bytes] = field(default_factory=dict)
    arrived: set[UUID] = field(default_factory=set)
    results: Counter[str] = field(default_factory=Counter)

    def heard(self, id_: UUID, table: str, result: str) -> None:
        """Of a thing that a form makes."""
        if result == DONE:
            self.made[id_] = table
            self.unknown.pop(id_, None)
            self.refused.pop(id_, None)
        elif id_ not in self.made:
            (self.refused if result == REFUSED and id_ not in self.unknown else self.unknown)[id_] = table


@dataclass
class House:
    """The firm under simulation."""

    app: Flask
    dice: random.Random
    time: Time
    fate: Fate
    bucket: Bucket
    mail: MailServer
    cast: Cast
    told: Told = field(default_factory=Told)
    browsers: dict[str, Any] = field(default_factory=dict)

    @property
    def jobs(self) -> list[tuple[str, dict[str, Any]]]:
        waiting: list[tuple[str, dict[str, Any]]] = self.app.config["QUEUE_INLINE"]
        return waiting

    # What people do.

    def at(self, who: str) -> Any:
        """The browser of a person of the cast, signed in; a new one where the session has grown old."""
        if who not in self.browsers:
            self.fate.spare()
            with self.app.app_context(), transaction():
                if isinstance(person := getattr(self.cast, who), Person):
                    browser = sign_in(self.app.test_client(), person, confirmed=True)
                else:
                    token = open_contact_session(person.id, by=SYSTEM, agent="Test", address="127.0.0.1")
                    browser = self.app.test_client()
                    with browser.session_transaction(path="/portal/") as session:
                        session["contact"] = token
            self.browsers[who] = browser
        return self.browsers[who]

    def press(self, who: str, path: str, **sent: Any) -> tuple[str, TestResponse | None]:
        """One request; what the person was told of it, and the answer if one came."""
        browser = self.at(who)
        self.fate.prepare(UNLUCKY)
        answer: TestResponse | None = None
        result = UNKNOWN
        try:
            answer = browser.post(path, **sent)
        except (Killed, DBAPIError):
            if not self.fate.struck:
                raise
        assert _door.get() == "app", "a request left its thread at the portal's door"
        struck, self.fate.left = self.fate.struck, 0
        if self.fate.dead:
            self.begin_anew()
        if answer is not None and (answer.status_code < 500 or not struck):
            assert answer.status_code < 500, (path, sent, answer.status, answer.get_data(as_text=True)[:2000])
            assert "/sign-in" not in answer.headers.get("Location", ""), (who, path)
            result = DONE if answer.status_code < 400 else REFUSED
        self.fate.spare()
        return result, answer

    def send(self, who: str, path: str, **sent: Any) -> tuple[str, TestResponse | None]:
        """A request of somebody who, told nothing or that it did not work, often presses again."""
        result, answer = self.press(who, path, **sent)
        while result == UNKNOWN and self.dice.random() < 0.6:
            result, answer = self.press(who, path, **sent)
        self.told.results[f"{ID.sub('', path)} {result}"] += 1
        return result, answer

    def make(self, who: str, table: str, path: str, **facts: str) -> UUID:
        """A form that makes something; its id travels in it."""
        made = new_id()
        result, _ = self.send(who, path, data={"id": str(made), **facts})
        self.told.heard(made, table, result)
        return made

    # What the house does by itself.

    def work(self, name: str, payload: dict[str, Any], *, unlucky: float = UNLUCKY) -> None:
        """What a worker does with one job. Killed, the job is lost or comes again."""
        self.fate.prepare(unlucky)
        self.mail.just_taken.clear()
        failed: BaseException | None = None

        def perform() -> None:
            _cv_app.set(None)  # type: ignore[arg-type]
            with self.app.app_context():
                queue.perform(name, payload)

        try:
            copy_context().run(perform)
        except (Killed, DBAPIError, FirmamentError) as error:
            failed = error
        struck = self.fate.struck
        if struck:
            self.mail.perhaps_again |= self.mail.just_taken
        if self.fate.dead:
            self.begin_anew()
        if failed and not struck:
            raise failed
        self.fate.spare()
        if failed and self.dice.random() < 0.5:
            self.jobs.append((name, payload))

    def take_a_job(self) -> None:
        if self.jobs:
            # Two workers, so not always the oldest; sometimes the queue has lost it.
            name, payload = self.jobs.pop(self.dice.randrange(min(len(self.jobs), 3)))
            if self.dice.random() < 0.95:
                self.work(name, payload)

    def sweep(self) -> None:
        self.work(self.dice.choice(queue.sweeps()).name, {})

    def wait(self, seconds: float) -> None:
        before = self.time.now
        self.time.pass_by(seconds)
        if (self.time.now - before).total_seconds() > 1800 or self.time.now.hour < before.hour:
            self.browsers.clear()

    def begin_anew(self) -> None:
        """Another process takes over: nothing that stood in memory is there."""
        self.fate.spare()
        with self.app.app_context():
            for engine in db.engines.values():
                engine.dispose()
        self.jobs[:] = [job for job in self.jobs if self.dice.random() < 0.9]

    def come_to_rest(self) -> None:
        """Nothing goes wrong any more, and time enough passes for all that waits."""
        self.bucket.trouble = self.mail.trouble = 0.0
        self.browsers.clear()
        for seconds in (0, 61, 700, 4 * 3600, 26 * 3600, 26 * 3600, 60):
            self.time.pass_by(seconds)
            for sweep in queue.sweeps():
                self.work(sweep.name, {}, unlucky=0.0)
            for _ in range(200):
                if not self.jobs:
                    break
                self.work(*self.jobs.pop(0), unlucky=0.0)
        for _ in range(2):
            self.work("activity.seal", {}, unlucky=0.0)

    def history(self) -> list[str]:
        """Every event in the order of the chain, so that two runs can be compared. Left out are digests: a ledger
        transaction keeps when the database wrote it."""
        told = sa.select(
            Event.at, Event.kind, Event.subject_id, Event.actor_id, Event.request_id, Event.cause, EventPayload.salt,
            EventPayload.data.op("-")(COVERS).op("-")(LEDGER).op("-")("hash"),
        ).join(EventSeal, EventSeal.event_id == Event.id).join(EventPayload, EventPayload.event_id == Event.id)
        with self.app.app_context():
            rows = db.session.execute(told.order_by(EventSeal.position)).all()
            db.session.rollback()
        return [" ".join(map(str, row)) for row in rows]


@contextmanager
def simulated(seed: int, settings: Settings) -> Iterator[House]:
    """A firm in an empty database, all of whose chances come from the seed."""
    from app.factory import create_app

    with ExitStack() as stack:
        dice, time = stack.enter_context(from_seed(seed))
        fate = Fate(random.Random(seed + 1))
        bucket = Bucket(random.Random(seed + 2), time, fate)
        mail = MailServer(random.Random(seed + 3), time, fate)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr("boto3.client", lambda *_args, **_rest: bucket)
        patch.setattr("smtplib.SMTP", mail.connect)
        patch.setattr("tests.make._codes", iter(range(1, 1_000_000)))
        app = create_app(replace(settings, smtp_url="smtp://mail.example:25"))
        app.config["QUEUE_INLINE"], app.config["WTF_CSRF_ENABLED"] = [], False
        app.extensions["redis"].flushdb()
        with app.app_context(), transaction():
            cast = make_cast()
        try:
            with app.app_context():
                stack.enter_context(fate_of(fate))
            yield House(app, dice, time, fate, bucket, mail, cast)
        finally:
            fate.spare()
            with app.app_context():
                db.session.remove()
                for engine in db.engines.values():
                    engine.dispose()
            app.extensions["redis"].close()
