"""Workers, the web and the database killed with SIGKILL in the midst of work: nothing is lost, nothing doubled.

A killed process is caught within a transaction, not beside one: a lock that the test holds stops it there first.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.activity.commands import record
from app.activity.models import Event, EventSeal
from app.billing.commands.runs import start_bill_run
from app.billing.models import Invoice, InvoiceState
from app.catalogue.models import Cadence
from app.clients.models import Client
from app.config import Settings
from app.core import clock
from app.core.actors import SYSTEM
from app.core.backing import services
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.delivery.commands import send_mail
from app.delivery.models import Delivery
from app.documents.models import Document, DocumentState
from app.factory import create_app
from app.jobs.models import Job, Task
from app.ledger.models import Account, Balance
from app.planning.commands.applications import ApplicationValues, prepare_application, run_application
from app.runs.models import ItemState, Run, RunItem, RunState
from app.timekeeping.models import TimeEntry
from tests.billing.make_billing import make_entry, make_rate
from tests.journeys.running import House, running
from tests.make import Cast, make_cast, make_client, make_engagement, sign_in
from tests.planning.make_planning import make_service

pytestmark = [pytest.mark.slow, pytest.mark.real]
PATIENCE = 150.0
APPLIED, BILLED, BEFORE = 40, 30, 13
TASKS = "LOCK TABLE task IN SHARE ROW EXCLUSIVE MODE"
NUMBERS = "SELECT FROM number_series FOR UPDATE"


@dataclass
class Firm:
    """The running product, and an application of the test's own on the same database, queue and storage."""

    house: House
    app: Flask
    owner: sa.Engine
    cast: Cast
    headers: dict[str, str]

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """A request of Mel's browser; the answer's JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.house.url + path, data, self.headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


@pytest.fixture(scope="module")
def silent() -> Iterator[socket.socket]:
    """A mail server that takes calls and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, silent: socket.socket) -> Iterator[House]:
    mail = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
    with running(tmp_path_factory.mktemp("killed") / "var", SMTP_URL=mail) as started:
        yield started


@pytest.fixture(scope="module")
def firm(house: House) -> Iterator[Firm]:
    with services(Settings.from_environment(house.environment)) as settings:
        app, owner = create_app(settings), sa.create_engine(settings.database_url, pool_pre_ping=True)
        with app.app_context(), transaction():
            cast = make_cast()
            make_rate("100")
            browser = sign_in(app.test_client(), cast.mel)
        cookie = browser.get_cookie("firm")
        assert cookie is not None
        headers = {
            "Cookie": f"firm={cookie.value}",
            "X-CSRFToken": str(browser.environ_base["HTTP_X_CSRFTOKEN"]),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        yield Firm(house, app, owner, cast, headers)
        owner.dispose()
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()
        app.extensions["redis"].close()


@pytest.fixture(autouse=True)
def _within(firm: Firm) -> Iterator[None]:
    with firm.app.app_context():
        yield
        db.session.remove()


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE) -> float:
    """Wait for it; the seconds that it took."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        with contextlib.suppress(sa.exc.OperationalError):  # a database that is just starting again
            if holds():
                return time.monotonic() - begun
            db.session.rollback()
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds:.0f} s")


def hold(owner: sa.Connection, statement: str, **values: object) -> Callable[[], bool]:
    """Take a lock; what comes back says whether somebody stands before it."""
    me = owner.scalar(sa.text("SELECT pg_backend_pid()"))
    owner.execute(sa.text(statement), values)
    blocked = sa.text("SELECT count(*) FROM pg_locks WHERE NOT granted AND :me = ANY(pg_blocking_pids(pid))")

    def stands_before() -> bool:
        return bool(db.session.scalar(blocked, {"me": me}))

    return stands_before


@contextlib.contextmanager
def stopped_at(firm: Firm, client_id: UUID, further: str, begin: Callable[[], UUID]) -> Iterator[UUID]:
    """Begin a run and let it come to this client, and there as far as the second lock: inside, it stands still."""
    with firm.owner.connect() as near, firm.owner.connect() as far:
        arrived = hold(near, "SELECT FROM client WHERE id = :id FOR UPDATE", id=client_id)
        run_id = begin()
        until(arrived, "the worker comes to the client")
        arrived = hold(far, further)
        near.rollback()
        until(arrived, "the worker comes to the second lock")
        try:
            yield run_id
        finally:
            with contextlib.suppress(sa.exc.OperationalError):
                far.rollback()


def kill(pid: int, *, group: bool = False) -> None:
    (os.killpg if group else os.kill)(pid, signal.SIGKILL)


def items(run_id: UUID, state: ItemState) -> int:
    db.session.rollback()
    asked = sa.select(sa.func.count()).where(RunItem.run_id == run_id, RunItem.state == state)
    return db.session.scalar(asked) or 0


def finished(run_id: UUID) -> bool:
    db.session.rollback()
    return db.session.scalar(sa.select(Run.state).where(Run.id == run_id)) is RunState.FINISHED


def faults() -> list[str]:
    """What `firmament verify` would find; notes only inform."""
    db.session.rollback()
    return [f"{name}: {f.subject} {f.message}" for name, found in run_proofs() for f in found if not f.note]


def restarts(house: House, part: str) -> int:
    return house.log.read_text().count(f"{part} has stopped; starting it again")


def make_clients(firm: Firm, name: str, number: int) -> list[Client]:
    return [make_client(f"{name} {n:02}", firm.cast.office) for n in range(number)]


def test_a_mail_server_that_says_nothing_holds_up_no_sealing(firm: Firm, silent: socket.socket) -> None:
    kind, client = "test.thing.happen", db.session.scalars(sa.select(Client).limit(1)).one()
    sealed = sa.select(sa.func.count()).select_from(Event).join(EventSeal).where(Event.kind == kind)

    def lag(n: int) -> float:
        with transaction():
            record(kind, client, by=SYSTEM)
        return until(lambda: db.session.scalar(sealed) == n, "it is sealed", 60)

    quiet = [lag(n) for n in range(1, 4)]  # what this machine takes while nothing is in its way
    with transaction():
        for n in range(3):
            send_mail(key=f"slow:{n}", kind="test", to="sam@firm.example", subject="Hello", template="account_changed",
                      context={"name": "Sam", "what": "Hello."})
    in_hand = sa.select(sa.func.count()).where(Delivery.key.like("slow:%"), Delivery.tries == 1)
    until(lambda: db.session.scalar(in_hand), "a mail is in hand")
    lags = [lag(n) for n in range(4, 7)]
    still = db.session.scalar(in_hand)
    silent.close()  # whoever waits for it is let go
    assert still == 1, "the mail was in hand all the while"
    assert max(lags) < max(2.0, 4 * max(quiet)), (lags, quiet)


def test_a_worker_killed_in_the_midst_of_applying_to_many_makes_one_job_for_each(firm: Firm) -> None:
    mel = firm.cast.actor(firm.cast.mel)
    with transaction():
        service, template = make_service()
        clients = make_clients(firm, "Applied", APPLIED)
        application = prepare_application(
            new_id(),
            template,
            ApplicationValues(Cadence.MONTH, clock.today(), repeat=True),  # the next month is not due yet
            [client.id for client in clients],
            by=mel,
        )
    before = restarts(firm.house, "worker bulk")
    with stopped_at(firm, clients[BEFORE].id, TASKS, lambda: run_application(application, by=mel).id) as run_id:
        assert items(run_id, ItemState.DONE) == BEFORE
        kill(firm.house.part("worker bulk"))
    took = until(lambda: finished(run_id), "the run goes on and ends")
    print(f"apply to many: ended {took:.1f} s after the kill")
    assert restarts(firm.house, "worker bulk") == before + 1
    assert items(run_id, ItemState.DONE) == APPLIED
    of_service = sa.select(Job.client_id).where(Job.service_id == service.id)
    assert sorted(db.session.scalars(of_service)) == sorted(client.id for client in clients)
    tasks = sa.select(sa.func.count()).select_from(Task).join(Job).where(Job.service_id == service.id)
    assert db.session.scalar(tasks) == 3 * APPLIED
    assert faults() == []


def make_billable(firm: Firm, name: str) -> list[Client]:
    with transaction():
        clients = make_clients(firm, name, BILLED)
        for client in clients:
            engagement = make_engagement(client, firm.cast.entity)
            for hours in ("1", "2.5"):
                make_entry(firm.cast, hours, engagement=engagement)
    return clients


def start_bills(firm: Firm) -> UUID:
    return start_bill_run(new_id(), clock.today(), by=firm.cast.actor(firm.cast.pat), approve=True).id


def assert_billed_once(run_id: UUID, clients: list[Client]) -> None:
    """Each client one issued bill of 3.5 hours, no time left open, no number missing, and every proof holds."""
    assert items(run_id, ItemState.DONE) == BILLED
    ids = [client.id for client in clients]
    bills = db.session.scalars(sa.select(Invoice).where(Invoice.client_id.in_(ids))).all()
    assert sorted(bill.client_id for bill in bills) == sorted(ids)
    assert {bill.net for bill in bills} == {Decimal(350)}
    assert InvoiceState.DRAFT not in {bill.state for bill in bills}
    numbers = sorted(filter(None, db.session.scalars(sa.select(Invoice.number))))
    assert numbers == [f"INV-{n:05d}" for n in range(1, len(numbers) + 1)]
    wip = sa.select(sa.func.sum(Balance.amount)).where(Balance.account == Account.WIP)
    assert not db.session.scalar(wip)
    assert not db.session.scalar(sa.select(sa.func.sum(TimeEntry.open_value)))
    assert faults() == []


def test_a_worker_killed_in_the_midst_of_a_bill_run_bills_each_client_once(firm: Firm) -> None:
    clients = make_billable(firm, "Billed")
    before = restarts(firm.house, "worker bulk")
    with stopped_at(firm, clients[BEFORE].id, NUMBERS, lambda: start_bills(firm)) as run_id:
        assert items(run_id, ItemState.DONE) == BEFORE
        kill(firm.house.part("worker bulk"))
    took = until(lambda: finished(run_id), "the run goes on and ends")
    print(f"bill run, worker killed: ended {took:.1f} s after the kill")
    assert restarts(firm.house, "worker bulk") == before + 1
    assert_billed_once(run_id, clients)


def test_the_database_killed_in_the_midst_of_a_bill_run_bills_each_client_once(firm: Firm) -> None:
    clients = make_billable(firm, "Interrupted")
    postmaster = firm.house.var / "services" / "postgres.pid"
    first = int(postmaster.read_text())
    with stopped_at(firm, clients[BEFORE].id, NUMBERS, lambda: start_bills(firm)) as run_id:
        assert items(run_id, ItemState.DONE) == BEFORE
        kill(first)
        begun = time.monotonic()
    until(lambda: postmaster.exists() and int(postmaster.read_text()) != first, "a new database process")
    until(lambda: db.session.scalar(sa.text("SELECT 1")), "the database is back")
    print(f"database back {time.monotonic() - begun:.1f} s after the kill")
    until(lambda: finished(run_id), "the run goes on and ends")
    print(f"bill run, database killed: ended {time.monotonic() - begun:.1f} s after the kill")
    assert_billed_once(run_id, clients)


def make_file(seed: int) -> bytes:
    """A table of three parts: two of eight megabytes and a rest."""
    chance = random.Random(seed)
    block = "".join(f"2026-10-{n % 28 + 1:02},{chance.randrange(10**9)},Payment {n}\n" for n in range(30_000))
    return (block * (17_500_000 // len(block) + 1))[:17_500_000].encode()


def put_parts(plan: dict[str, Any], body: bytes, *numbers: int) -> None:
    """As the browser does: straight to storage, at the address of each part."""
    for number in numbers:
        start = (number - 1) * plan["partSize"]
        part = body[start : start + plan["partSize"]]
        with urllib.request.urlopen(
            urllib.request.Request(plan["addresses"][str(number)], part, method="PUT"), timeout=120
        ) as answer:
            assert answer.status == 200


def kill_web(firm: Firm) -> None:
    before = restarts(firm.house, "web")
    kill(os.getpgid(firm.house.part("wsgi:app")), group=True)
    until(lambda: restarts(firm.house, "web") == before + 1, "the web is started again")
    took = until(lambda: answers(firm.house.url + "/readyz"), "the web answers again")
    print(f"web: answers again {took:.1f} s after its restart")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def assert_arrived_once(firm: Firm, document_id: UUID, name: str, body: bytes) -> None:
    """One document of that name, available, with the digest of what was sent, received once, and it comes back."""

    def state() -> DocumentState | None:
        db.session.rollback()
        return db.session.scalar(sa.select(Document.state).where(Document.id == document_id))

    until(lambda: state() in (DocumentState.AVAILABLE, DocumentState.REJECTED), "the file is checked")
    of_name = sa.select(Document).where(Document.name == name).execution_options(populate_existing=True)
    documents = db.session.scalars(of_name).all()
    assert [(d.id, d.state, d.rejected_because) for d in documents] == [(document_id, DocumentState.AVAILABLE, "")]
    assert documents[0].sha256 == hashlib.sha256(body).digest()
    received = sa.select(sa.func.count()).where(
        Event.kind == "documents.document.received", Event.subject_id == document_id
    )
    assert db.session.scalar(received) == 1
    address = f"{firm.house.url}/documents/{document_id}/file"
    with urllib.request.urlopen(urllib.request.Request(address, headers=firm.headers), timeout=120) as answer:
        assert answer.read() == body
    assert faults() == []


def test_the_web_killed_between_an_uploads_parts_and_its_completion_loses_no_part(firm: Firm) -> None:
    document_id, body = new_id(), make_file(1)
    new = {"id": str(document_id), "name": "between.csv", "size": len(body)}
    plan = firm.ask("POST", f"/clients/{firm.cast.acme.id}/uploads", new)
    assert (plan["parts"], plan["arrived"]) == (3, [])
    put_parts(plan, body, 1, 2)
    kill_web(firm)
    again = firm.ask("GET", f"/documents/{document_id}/upload")
    assert again["arrived"] == [1, 2]
    put_parts(again, body, 3)
    kill_web(firm)
    assert firm.ask("POST", f"/documents/{document_id}/completion")["state"] == "received"
    assert_arrived_once(firm, document_id, "between.csv", body)


def test_the_web_killed_during_the_completion_of_an_upload_completes_when_asked_again(firm: Firm) -> None:
    document_id, body = new_id(), make_file(2)
    new = {"id": str(document_id), "name": "during.csv", "size": len(body)}
    plan = firm.ask("POST", f"/clients/{firm.cast.acme.id}/uploads", new)
    put_parts(plan, body, 1, 2, 3)
    failures: list[Exception] = []

    def complete() -> None:
        try:
            firm.ask("POST", f"/documents/{document_id}/completion")
        except (OSError, http.client.HTTPException) as failure:
            failures.append(failure)

    asking = threading.Thread(target=complete)
    with firm.owner.connect() as near:
        arrived = hold(near, "SELECT FROM document WHERE id = :id FOR UPDATE", id=document_id)
        asking.start()
        until(arrived, "the completion has joined the parts and comes to the row")
        kill_web(firm)
    asking.join(30)
    assert len(failures) == 1 and not isinstance(failures[0], urllib.error.HTTPError)
    assert db.session.scalar(sa.select(Document.state).where(Document.id == document_id)) is DocumentState.UPLOADING
    again = firm.ask("GET", f"/documents/{document_id}/upload")
    assert (again["arrived"], again["addresses"]) == ([1, 2, 3], {})
    for _ in range(2):
        firm.ask("POST", f"/documents/{document_id}/completion")
    assert_arrived_once(firm, document_id, "during.csv", body)
