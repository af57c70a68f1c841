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
from app.billing.models import Invoice, Payment
from app.catalogue.models import Service, Stage
from app.clients.models import Arrangement, Client, Contact, Engagement, Wall
from app.core import clock
from app.core.db import db, transaction
from app.core.ids import new_id
from app.firm.models import Closure, Entity, Office, TaxRate
from app.jobs.models import Job, Task
from app.ledger.models import ExchangeRate
from app.marks.models import Comment
from app.people.models import Person
from app.people.passwords import hash_password
from app.requests.models import ClientRequest
from app.timekeeping.models import Expense, Rate, TimeEntry, Timer
from tests.billing.make_billing import make_entry, make_rate
from tests.jobs.make_jobs import make_job
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

    def forms(self) -> dict[type[Any], tuple[str, dict[str, str]]]:
        """Where a new one of each kind is posted, and what with; `id` comes later."""
        cast, today = self.cast, clock.today().isoformat()
        office, acme, work = str(cast.office.id), str(cast.acme.id), str(cast.acme_work.id)
        confirmed = {"current_password": PASSWORD}
        return {
            Person: ("/people/new", {"name": "Nia Obi", "email": "nia@firm.example", "role": "staff",
                                     "office_id": office, **confirmed}),
            Client: ("/clients", {"name": "Once Ltd", "kind": "organisation", "status": "active", "office_id": office,
                                  "currency": "GBP"}),
            Contact: (f"/clients/{acme}/contacts", {"name": "Ann Once", "email": "ann@client.example"}),
            Engagement: (f"/clients/{acme}/engagements", {"name": "Books", "kind": "hourly", "round_mode": "up",
                                                          "currency": "GBP", "increment": "6"}),
            Arrangement: (f"/engagements/{work}/arrangements", {"kind": "fixed", "agreed_amount": "900.00",
                                                                "from_on": today}),
            Wall: (f"/clients/{acme}/walls", {"person_id": str(cast.sam.id), "engagement_id": "", "reason": "Family"}),
            Service: ("/services", {"name": "Advice", "cadence": "once"}),
            Stage: (f"/services/{self.service_id}/stages", {"name": "Once more"}),
            Job: ("/jobs/new", {"client": acme, "engagement": work, "title": "Once"}),
            Task: (f"/jobs/{self.job_id}/tasks/new", {"name": "Once", "kind": "work"}),
            TimeEntry: ("/time", {"work": f"engagement:{work}", "recorded": "1:00", "worked_on": today}),
            Expense: ("/expenses", {"work": f"engagement:{work}", "spent_on": today, "net": "12.00",
                                    "narrative": "Filing fee", "category": "other"}),
            ClientRequest: ("/requests/new", {"client": acme, "name": "Papers", "items-label": "Statements",
                                              "items-kind": "upload", "items-code": "", "items-required": "yes",
                                              "items-help": "", "items-options": "", "remind_after": "3",
                                              "remind_every": "4", "remind_most": "5"}),
            Invoice: (f"/billing/clients/{acme}/draft", {"until": today, "grouping": "engagement",
                                                         "engagement": work}),
            Payment: ("/billing/payments", {"client": acme, "entity_id": str(cast.entity.id), "currency": "GBP",
                                            "amount": "10.00", "received_on": today, "method": "transfer",
                                            "spread": "auto"}),
            Rate: ("/settings/rates", {"from_on": today, "amount": "120", "currency": "GBP", "grade": "Senior"}),
            TaxRate: ("/settings/tax-rates/new", {"code": "R5", "name": "Reduced", "treatment": "standard",
                                                  "percent": "5"}),
            ExchangeRate: ("/settings/exchange-rates", {"currency": "EUR", "base": "GBP", "rate": "0.85",
                                                        "from_on": today}),
            Closure: ("/settings/closures", {"closed_on": today, "name": "Painters", "office_id": ""}),
            Office: ("/settings/offices/new", {"name": "Leeds", "entity_id": str(cast.entity.id),
                                               "zone": "Europe/London", "calendar": "GB-ENG"}),
            Entity: ("/settings/entities/new", {"name": "Once Trustees", "country": "GB", "currency": "GBP",
                                                "year_end_month": "12", "year_end_day": "31", "terms_days": "14",
                                                **confirmed}),
            Timer: ("/timers", {"work": f"engagement:{work}"}),
            Comment: (f"/comments/client/{acme}", {"body": "Seen"}),
        }


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
    monkeypatch.setattr("app.clients.commands._shared.take_turn", lambda row_id: None)
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
