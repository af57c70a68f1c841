"""A double click makes one thing, and whoever comes second at the same moment is told what is so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event

import app.core.web as web
from app.billing.models import Payment
from app.catalogue.models import Service
from app.clients.models import Client
from app.core import clock
from app.core.db import db, transaction
from app.core.ids import new_id
from app.firm.models import Entity, TaxRate
from app.jobs.models import Job
from app.ledger.models import ExchangeRate
from app.people.models import Person
from app.people.passwords import hash_password
from app.timekeeping.models import Timer
from tests.billing.make_billing import make_entry, make_rate
from tests.jobs.make_jobs import make_job
from tests.journeys.forms import Forms, new_things
from tests.make import Cast, make_cast, sign_in
from tests.planning.make_planning import make_service

pytestmark = [pytest.mark.real, pytest.mark.slow]

PASSWORD = "seven quiet lanterns"
HTMX = {"HX-Request": "true"}


class Firm:
    """The cast for good, a job, a service, unbilled work; and two windows of Pat's."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        with app.app_context():
            with transaction():
                self.cast: Cast = make_cast()
                self.cast.pat.password_hash = hash_password(PASSWORD)
                make_rate("100")
                make_entry(self.cast)
                self.job_id = make_job(self.cast.acme_work).id
                self.service_id = make_service("Bookkeeping")[0].id
                self.windows = [sign_in(app.test_client(), self.cast.pat) for _ in range(2)]
            db.session.expunge_all()

    def at_once(self, *posts: Callable[[FlaskClient], Any]) -> list[tuple[int, str, str]]:
        """Each post from a window and thread of its own, beginning together: status, where to, what is said."""
        gate = threading.Barrier(len(posts))

        def press(window: FlaskClient, post: Callable[[FlaskClient], Any]) -> tuple[int, str, str]:
            gate.wait()
            answer = post(window)
            return answer.status_code, answer.headers.get("Location", ""), answer.text

        with ThreadPoolExecutor(len(posts)) as pool:
            return list(pool.map(press, self.windows, posts))

    def forms(self) -> Forms:
        return new_things(self.cast, self.service_id, self.job_id, PASSWORD)


@pytest.fixture
def firm(real_app: Flask) -> Firm:
    return Firm(real_app)


def posting(url: str, form: dict[str, str]) -> Callable[[FlaskClient], Any]:
    return lambda window: window.post(url, data=form)


def made(app: Flask, table: Any, row_id: UUID) -> int:
    with app.app_context():
        return int(db.session.scalar(sa.select(sa.func.count()).select_from(table).where(table.id == row_id)) or 0)


def total(app: Flask, table: Any) -> int:
    with app.app_context():
        return int(db.session.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


@contextmanager
def held_until_both_write(table: Any) -> Iterator[None]:
    """Nobody adds a row of this table before a second one is about to, or a second has passed."""
    arrived, both = list[int](), threading.Event()

    def wait(*_: Any) -> None:
        arrived.append(1)
        if len(arrived) > 1:
            both.set()
        both.wait(1)

    event.listen(table, "before_insert", wait)
    try:
        yield
    finally:
        event.remove(table, "before_insert", wait)


def test_a_double_click_makes_one_thing_whatever_is_made(firm: Firm) -> None:
    wrong: list[object] = []
    for table, (url, form) in firm.forms().items():
        row_id, before = new_id(), total(firm.app, table)
        press = posting(url, {**form, "timer_id" if table is Timer else "id": str(row_id)})
        first, second = firm.at_once(press, press)
        if first[:2] != second[:2] or first[0] != 303 or total(firm.app, table) != before + 1:
            wrong.append((table.__name__, first[:2], second[:2], total(firm.app, table) - before))
        if not made(firm.app, table, row_id):
            wrong.append((table.__name__, "has another id"))
    assert wrong == []


def test_a_second_press_that_did_not_wait_is_answered_as_the_first(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database's own refusal of a row that is there already is no error of whoever pressed."""
    monkeypatch.setattr(web, "take_turn", lambda row_id: None)
    monkeypatch.setattr("app.core.once.take_turn", lambda row_id: None)
    for table in (Client, Service, Payment, Entity, Job):
        (url, form), row_id = firm.forms()[table], new_id()
        with held_until_both_write(table):
            first, second = firm.at_once(*[posting(url, {**form, "id": str(row_id)})] * 2)
        assert (first[0], first[:2]) == (303, second[:2]), table
        assert made(firm.app, table, row_id) == 1


def test_of_two_who_take_the_same_name_at_once_one_is_told(firm: Firm) -> None:
    """Two forms, one code or address: both looked, both found it free."""
    for table, said, around in (
        (Person, "has this address already", held_until_both_write(Person)),
        (ExchangeRate, "There is a rate from that very day already", held_until_both_write(ExchangeRate)),
        (TaxRate, "There is a rate R5 already", nullcontext()),
    ):
        url, form = firm.forms()[table]
        with around:
            answers = firm.at_once(*[posting(url, {**form, "id": str(new_id())}) for _ in range(2)])
        assert sorted(answer[0] for answer in answers) == [303, 422], table
        assert said in max(answers)[2]


def test_what_cannot_be_settled_is_said_in_a_sentence_and_leaves_nothing(
    firm: Firm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that would collide for ever: 409 once it was tried twice, not an error of ours."""
    tried = []

    def collide(*_: Any, **__: Any) -> None:
        tried.append(1)
        with transaction() as session:
            session.execute(sa.insert(TaxRate).values(
                id=firm.cast.vat.id, code="X", name="X", treatment=firm.cast.vat.treatment, percent=1,
                legend="", from_on=clock.today(),
            ))

    monkeypatch.setattr("app.firm.views.money.tax.create_rate", collide)
    url, form = firm.forms()[TaxRate]
    answer = firm.windows[0].post(url, data={**form, "id": str(new_id())})
    assert (answer.status_code, len(tried)) == (409, 2)
    assert "Somebody changed the same thing at that moment" in answer.text
    asked = firm.windows[0].post(url, data={**form, "id": str(new_id())}, headers=HTMX)
    assert asked.status_code == 409 and "Somebody changed" in asked.headers["HX-Trigger"]
