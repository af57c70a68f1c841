"""Acts that touch the same things at the same moment take their locks in one order, so that none waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.exc import OperationalError

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.models import Invoice
from app.core import clock, queue
from app.core.actors import SYSTEM
from app.core.again import TRIES
from app.core.db import db, transaction
from app.core.ids import new_id
from app.jobs.commands.dependencies import add_dependency
from app.jobs.commands.tasks import cancel_task
from app.jobs.models import Task
from tests.billing.make_billing import make_draft, make_entry
from tests.jobs.make_jobs import make_chain, make_job
from tests.make import Cast
from tests.together import a_firm, at_once, deadlocks

pytestmark = pytest.mark.real


@pytest.fixture
def firm(real_app: Flask) -> Cast:
    return a_firm(real_app)


def test_steps_of_two_jobs_that_wait_on_each_other_are_cancelled_at_once(real_app: Flask, firm: Cast) -> None:
    for _ in range(4):
        with real_app.app_context(), transaction():
            one, two = (make_chain(make_job(firm.acme_work), "First", "Second") for _ in range(2))
            add_dependency(two[1], after=one[0], by=SYSTEM)
            add_dependency(one[1], after=two[0], by=SYSTEM)
            ids = [one[1].id, two[1].id]
        results = at_once(real_app, *[
            lambda task_id=task_id: cancel_task(db.session.get_one(Task, task_id), by=SYSTEM) for task_id in ids
        ])
        assert deadlocks(results) == 0 and results == [None, None]


def crediting(invoice_id: UUID) -> Callable[[], object]:
    return lambda: credit_invoice(db.session.get_one(Invoice, invoice_id), new_id(), "Wrong", by=SYSTEM).number


def test_crediting_and_paying_one_client_at_once_waits_and_does_both(real_app: Flask, firm: Cast) -> None:
    for _ in range(4):
        with real_app.app_context(), transaction():
            bills = []
            for _ in range(2):
                make_entry(firm)
                bills.append(approve_invoice(make_draft(firm), by=SYSTEM).id)
        facts = PaymentFacts(
            client_id=firm.acme.id, entity_id=firm.entity.id, received_on=clock.today(), amount=Decimal(150),
            currency="GBP",
        )
        results = at_once(
            real_app,
            crediting(bills[0]),
            lambda facts=facts: record_payment(new_id(), facts, by=SYSTEM).amount,
            crediting(bills[1]),
        )
        assert deadlocks(results) == 0 and not [each for each in results if isinstance(each, Exception)]


def test_work_in_the_background_that_loses_a_race_is_done_again(real_app: Flask, monkeypatch: Any) -> None:
    tried: list[int] = []

    def collide() -> None:
        tried.append(1)
        if len(tried) < 3:
            with transaction() as session:
                session.execute(sa.text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'deadlock_detected'; END $$"))

    monkeypatch.setitem(queue._works, "test.collide", collide)
    with real_app.app_context():
        queue.perform("test.collide", {})
    assert len(tried) == 3


def test_work_that_loses_every_time_ends_in_its_error(real_app: Flask, monkeypatch: Any) -> None:
    tried: list[int] = []

    def collide() -> None:
        tried.append(1)
        with transaction() as session:
            session.execute(sa.text("DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = 'deadlock_detected'; END $$"))

    monkeypatch.setitem(queue._works, "test.collide", collide)
    with real_app.app_context(), pytest.raises(OperationalError):
        queue.perform("test.collide", {})
    assert len(tried) == TRIES
