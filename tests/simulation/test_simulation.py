"""A firm in which everything goes wrong at once: what was told stays true, and what must hold holds."""

from __future__ import annotations

import datetime as dt
import os
from collections import Counter
from contextvars import copy_context
from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.core.proofs import run_proofs
from app.delivery.models import Delivery, DeliveryState
from app.documents.models import Document, DocumentState
from app.jobs.models import Task, TaskState
from app.planning.commands.occurrences import create_occurrences, due_occurrences
from app.requests.models import RequestItem
from tests.billing.make_billing import make_rate
from tests.planning.make_planning import make_series, make_service
from tests.plumbing import TestServices, cloned_database
from tests.requests.make_requests import make_request
from tests.simulation.acts import ACTS, BAD, some_acts
from tests.simulation.fate import AFTER
from tests.simulation.house import TROUBLE, House, simulated
from tests.trial.checks import broken

pytestmark = [pytest.mark.real, pytest.mark.slow]
ACTS_EACH = 48
# `make soak` plays a quarter as many seeds as histories of money.
EXAMPLES, PARTS = int(os.environ.get("FIRMAMENT_EXAMPLES", "50")), 10


def begin(house: House) -> None:
    """Work on its way, and a request at a client."""
    with house.app.app_context(), transaction():
        make_rate("100")
        for client, asks in ((house.cast.acme, True), (house.cast.rival, False)):
            service, _ = make_service(f"Books of {client.name}", request=asks)
            make_series(client, service, clock.today() - dt.timedelta(days=70))
        create_occurrences([row.id for row in due_occurrences(5, by=SYSTEM)], by=SYSTEM)
        make_request(house.cast)


def live(house: House) -> None:
    begin(house)
    house.bucket.trouble, house.mail.trouble = TROUBLE, 4 * TROUBLE
    acts = some_acts(house.dice, ACTS_EACH)
    while acts:
        house.wait(house.dice.choice((1, 5, 40, 40, 300, 3600)))
        what = house.dice.choices(("act", "job", "sweep"), (6, 6, 2))[0]
        if what == "act":
            ACTS[acts.pop()][0](house)
        elif what == "job":
            house.take_a_job()
        else:
            house.sweep()
    house.come_to_rest()


def untrue(house: House) -> list[str]:
    """Where what people were told is not so, or what must hold does not."""
    told, found = house.told, list[str]()
    with house.app.app_context():
        for id_, table in told.made.items():
            if table and not db.session.scalar(sa.text(f"SELECT count(*) FROM {table} WHERE id = :id"), {"id": id_}):
                found.append(f"{table} {id_} was acknowledged, and is lost")
        for id_, table in told.refused.items():
            if table and db.session.scalar(sa.text(f"SELECT count(*) FROM {table} WHERE id = :id"), {"id": id_}):
                found.append(f"{table} {id_} was refused, and is there")
        for item_id, allowed in told.answers.items():
            item = db.session.get_one(RequestItem, item_id)
            if (item.answer or {}).get("value") not in allowed:
                found.append(f"an answer is {item.answer}, where {allowed} was saved")
        for task_id, is_done in told.finished.items():
            state = db.session.get_one(Task, task_id).state
            if is_done and state is not TaskState.DONE:
                found.append(f"step {task_id} was done, and is {state}")
        found += _files(house) + _mails(house)
        found += [f"{name}: {f.subject} {f.message}" for name, faults in run_proofs() for f in faults if not f.note]
        found += [str(each) for each in broken(db.session.connection())]
        if waiting := house.jobs:
            found.append(f"the queue never came to an end: {waiting[:3]}")
        db.session.rollback()
    return found


def _files(house: House) -> list[str]:
    found = []
    for id_ in house.told.arrived:
        document, body = db.session.get(Document, id_), house.told.files[id_]
        wanted = DocumentState.REJECTED if body == BAD else DocumentState.AVAILABLE
        if document is None or document.state is not wanted:
            found.append(f"a file arrived, and is {document and document.state} instead of {wanted}")
        elif wanted is DocumentState.AVAILABLE and house.bucket.objects[document.kept_key or ""][0] != body:
            found.append("a file is not what was given")
    left = db.session.scalars(sa.select(Document.state).where(Document.state.in_(
        (DocumentState.UPLOADING, DocumentState.RECEIVED, DocumentState.CHECKING)))).all()
    found += [f"a file is {state} for ever" for state in left]
    found += [f"{key} lies in storage for ever" for key in house.bucket.objects if key.startswith("incoming/")]
    return found + [f"an upload of {key} is open for ever" for key, *_ in house.bucket.uploads.values()]


def _mails(house: House) -> list[str]:
    found = []
    for mail in db.session.scalars(sa.select(Delivery)):
        times = house.mail.box[str(mail.id)]
        if mail.state is DeliveryState.QUEUED:
            found.append(f"{mail.kind} waits for ever")
        if mail.state is DeliveryState.SENT and not times:
            found.append(f"{mail.kind} is called sent, and never left")
        if times > 1 and str(mail.id) not in house.mail.perhaps_again:
            found.append(f"{mail.kind} left {times} times")
    return found


@dataclass(frozen=True)
class Run:
    """What a seed came to: what was untrue afterwards, how often each thing happened, and every event in order."""

    untrue: list[str]
    happened: Counter[str]
    history: list[str]


def played(services: TestServices, seed: int) -> Run:
    """In a context of its own: what one run leaves in context variables is not there for the next."""
    return copy_context().run(_played, services, seed)


def _played(services: TestServices, seed: int) -> Run:
    with cloned_database(services) as settings, simulated(seed, settings) as house:
        live(house)
        happened = house.told.results + house.bucket.seen + house.mail.seen + house.fate.seen
        run = Run(untrue(house), happened, house.history())
    print(f"Simulated with seed {seed}: {dict(happened)}")
    return run


@pytest.fixture(scope="module")
def runs(services: TestServices) -> list[Run]:
    return [played(services, seed) for seed in range(3)]


def test_whatever_goes_wrong_nothing_told_is_lost_or_done_twice(runs: list[Run]) -> None:
    assert [run.untrue for run in runs] == [[]] * len(runs)


def test_in_these_runs_much_was_done_and_much_went_wrong(runs: list[Run]) -> None:
    happened = sum((run.happened for run in runs), Counter[str]())
    assert sum(n for what, n in happened.items() if what.endswith(" done")) > 60
    storage, mail = ("late", "away", "twice", "failed after"), ("slow", "bounced", "not now", "away", "lost after")
    for kinds in (("killed",), ("cut", AFTER), storage, mail):
        assert any(happened[kind] for kind in kinds), kinds


def test_the_same_seed_twice_gives_the_same_events(runs: list[Run], services: TestServices) -> None:
    first, again = runs[0].history, played(services, 0).history
    assert len(first) > 50
    assert [pair for pair in zip(first, again, strict=False) if pair[0] != pair[1]][:1] == [], "the first that differs"
    assert len(first) == len(again)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("part", range(PARTS))
def test_over_thousands_of_seeds_nothing_told_is_lost_or_done_twice(services: TestServices, part: int) -> None:
    many = max(EXAMPLES // 4 // PARTS, 1)
    wrong = {seed: found for seed in range(1000 + part * many, 1000 + (part + 1) * many)
             if (found := played(services, seed).untrue)}
    assert wrong == {}
