"""The whole URL map behind the server that production runs: what a test client lets pass is not yet an answer."""

from __future__ import annotations

import csv
import http.client
import io
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from flask import Flask

from app.activity.models import Event
from app.clients.models import Client
from app.core.backing.processes import LOOPBACK, free_ports, wait_for
from app.core.csv_out import CUT_SHORT
from app.core.db import db, transaction
from app.core.permissions import Role
from app.desk.lists import FILES
from app.firm.exports import KIND
from tests.bench.server import serving
from tests.conftest import running_app
from tests.journeys.world import World, make_world
from tests.make import Cast, keep, make_cast, make_person, sign_in
from tests.plumbing import TestServices, cloned_database
from tests.portal.make_portal import at_portal
from tests.test_architecture import rules
from tests.test_who_may_look import TABLE

pytestmark = pytest.mark.real
MANY = 1_200


@dataclass
class Answer:
    """What came over the wire; `whole` says that the server ended it as it should."""

    status: int
    body: bytes
    whole: bool = True


@dataclass
class Served:
    """The firm behind gunicorn, and this process's own way to its database."""

    app: Flask
    cast: Cast
    world: World
    port: int

    def cookie_of(self, person: Any) -> str:
        client = self.app.test_client()
        with transaction():
            sign_in(client, person)
        cookie = client.get_cookie("firm")
        assert cookie is not None
        return f"firm={cookie.value}"

    def contact_cookie(self, contact: Any) -> str:
        browser = at_portal(self.app.test_client(), contact).client
        cookie = browser.get_cookie("portal", path="/")
        assert cookie is not None
        return f"portal={cookie.value}"

    def ask(self, cookie: str, addresses: list[str], method: str = "GET") -> dict[str, Answer]:
        """Each address in turn over one connection, as a browser does."""
        found = {}
        with closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=60)) as wire:
            for address in addresses:
                wire.request(method, address, headers={"Cookie": cookie, "Host": "localhost"})
                answer = wire.getresponse()
                try:
                    found[address] = Answer(answer.status, answer.read())
                except http.client.IncompleteRead as cut:
                    found[address] = Answer(answer.status, cut.partial, whole=False)
                    wire.close()
        return found

    def pages(self, world: World | None = None) -> dict[str, str]:
        """Every address of the firm's door that can be looked at, by its rule."""
        filled = {rule.rule: (world or self.world).fill(rule) for rule in rules(self.app) if "GET" in rule.methods}
        return {rule: to for rule, to in filled.items() if to and not rule.startswith("/portal")}

    def files(self) -> list[str]:
        asked = "&".join(f"{name}={value}" for name, value in self.world.ids.items() if name.endswith("_id"))
        lists = [f"/lists/{name}.csv?{asked}&month={self.world.ids['month']}" for name in FILES]
        return lists + [address for rule, address in self.pages().items() if rule.endswith(".csv")]

    def exported(self, person: Any) -> int:
        taken = sa.select(sa.func.count()).where(Event.kind == KIND, Event.actor_id == person.id)
        with transaction():
            return int(db.session.scalar(taken) or 0)


@pytest.fixture(scope="module")
def served(services: TestServices) -> Iterator[Served]:
    """A firm with one of everything and many clients, whose list is longer than one piece of a file."""
    (port,) = free_ports(1)
    with cloned_database(services) as made:
        settings = replace(made, web_workers=1, web_threads=4)
        for app in running_app(settings):
            with app.app_context():
                with transaction():
                    cast = make_cast()
                    world = make_world(cast)
                    for number in range(MANY):
                        keep(Client(name=f"Client {number:04d}", sort_key=f"client {number:04d}", currency="GBP",
                                    code=f"M{number:05d}", office_id=cast.office.id))
                with serving(settings, port, "tests.served_app:app"):
                    yield Served(app, cast, world, port)


def rows_in(answer: Answer) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.body.decode("utf-8-sig"))))


def broken(answers: dict[str, Answer]) -> list[str]:
    return [f"{to} {answer.status}" for to, answer in answers.items() if answer.status >= 500 or not answer.whole]


def test_every_page_answers_behind_the_real_server_for_whom_the_table_names(served: Served) -> None:
    written = [line.rsplit(":", 1) for line in TABLE.read_text().splitlines() if line and not line.startswith("#")]
    may = {rule: roles.split() for rule, roles in written}
    pages = served.pages()
    wrong = []
    for role, person in ((Role.PARTNER, served.cast.pat), (Role.STAFF, served.cast.sam)):
        answers = served.ask(served.cookie_of(person), list(pages.values()))
        wrong += broken(answers)
        wrong += [
            f"{role} {rule} {answers[to].status}" for rule, to in pages.items()
            if (answers[to].status in (403, 404)) == (role.value in may[rule])
        ]
    assert wrong == []


def test_every_portal_page_answers_behind_the_real_server(served: Served) -> None:
    ours = [served.world.fill(rule) for rule in rules(served.app)
            if "GET" in rule.methods and rule.rule.startswith("/portal")]
    answers = served.ask(served.contact_cookie(served.cast.cleo), [to for to in ours if to])
    assert broken(answers) == []
    assert sum(answer.status == 200 for answer in answers.values()) > 5


def test_every_file_arrives_whole_and_is_noted_once(served: Served) -> None:
    taken: list[str] = []
    files = served.files()
    # Nobody may take more than forty within ten minutes.
    for name, some in (("Ann", files[:30]), ("Bob", files[30:])):
        with transaction():
            person = make_person(name, Role.PARTNER, served.cast.office)
        answers = served.ask(served.cookie_of(person), some)
        assert broken(answers) == []
        good = [to for to, answer in answers.items() if answer.status == 200]
        assert served.exported(person) == len(good)
        assert all(len({len(row) for row in rows_in(answers[to])}) == 1 for to in good)
        taken += good
    assert set(files) == set(taken)


def test_a_long_file_holds_every_row(served: Served) -> None:
    (answer,) = served.ask(served.cookie_of(served.cast.mel), ["/clients.csv"]).values()
    names = [row[1] for row in rows_in(answer)[1:]]
    assert {f"Client {number:04d}" for number in range(MANY)} < set(names) and len(names) == len(set(names))


def test_who_may_not_see_a_list_is_told_so_and_nothing_is_noted(served: Served) -> None:
    """Administrators take lists out, but see neither bills nor payments; staff take out nothing."""
    money = [f"/billing/{name}.csv" for name in ("wip", "receivables", "invoices", "payments")]
    nowhere = ["/lists/movements.csv?month=never", f"/lists/jobs.csv?client_id={uuid4()}", "/lists/nothing.csv"]
    answers = served.ask(served.cookie_of(served.cast.ada), money + nowhere)
    assert {to: answer.status for to, answer in answers.items()} == dict.fromkeys(money + nowhere, 404)
    refused = served.ask(served.cookie_of(served.cast.sam), served.files())
    assert {answer.status for answer in refused.values()} <= {403, 404}
    assert served.exported(served.cast.ada) == served.exported(served.cast.sam) == 0


def test_a_list_that_breaks_before_it_is_sent_is_an_error_and_not_a_file(served: Served) -> None:
    before = served.exported(served.cast.mel)
    (answer,) = served.ask(served.cookie_of(served.cast.mel), ["/breaking.csv?at=40"]).values()
    assert answer.status == 500 and b"Number" not in answer.body
    assert served.exported(served.cast.mel) == before


def test_a_list_that_breaks_in_the_middle_never_looks_whole(served: Served) -> None:
    cookie = served.cookie_of(served.cast.mel)
    (whole,) = served.ask(cookie, ["/breaking.csv?at=9000"]).values()
    assert whole.whole and len(rows_in(whole)) == 5001
    (cut,) = served.ask(cookie, ["/breaking.csv?at=3000"]).values()
    assert cut.status == 200 and not cut.whole
    assert rows_in(cut)[-1] == [CUT_SHORT] and int(rows_in(cut)[-2][0]) < 3000


def test_no_connection_is_left_behind_by_files_that_broke_or_were_not_wanted(served: Served) -> None:
    cookie = served.cookie_of(served.cast.mel)
    for _ in range(6):
        served.ask(cookie, ["/breaking.csv?at=3000"])
        served.ask(cookie, ["/breaking.csv?at=9000"], method="HEAD")
        with closing(http.client.HTTPConnection(LOOPBACK, served.port, timeout=60)) as wire:
            wire.request("GET", "/breaking.csv?at=9000", headers={"Cookie": cookie, "Host": "localhost"})
            wire.getresponse().read(10)
    held = sa.text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'"
        " AND pid <> pg_backend_pid()"
    )

    def none_is_held() -> bool:
        with transaction():
            return not db.session.scalar(held)

    assert wait_for(none_is_held, 30)
    assert broken(served.ask(cookie, ["/clients"])) == []


HALF_A_HEAD = b"GET /clients HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"
HALF_A_BODY = b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nemail=pat"


def test_half_sent_requests_and_connections_in_reserve_keep_nobody_waiting(served: Served) -> None:
    cookie = served.cookie_of(served.cast.mel)
    started = time.monotonic()
    served.ask(cookie, ["/healthz", "/clients"])
    alone = time.monotonic() - started
    with ExitStack() as stack:
        wires = []
        for begun in (HALF_A_HEAD, HALF_A_BODY, b""):
            for _ in range(20 if begun else 16):
                wire = stack.enter_context(socket.create_connection((LOOPBACK, served.port), timeout=5))
                wire.sendall(begun)
                wires.append(wire)
        started = time.monotonic()
        answers = served.ask(cookie, ["/healthz", "/clients"])
        took = time.monotonic() - started
        assert [answer.status for answer in answers.values()] == [200, 200]
        assert took < max(3, 3 * alone)
        wires[0].sendall(b"\r\n\r\n")
        assert wires[0].recv(12).startswith(b"HTTP/1.1 303"), "whoever is slow is answered once all is there"
