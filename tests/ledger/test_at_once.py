"""Many post while the sums are gathered, in a database in which transactions really end."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.activity.commands import record
from app.clients.models import Engagement
from app.core.actors import SYSTEM
from app.core.db import db, transaction
from app.ledger import commands
from app.ledger.books import Books
from app.ledger.commands import Leg, gather_account_balances, post
from app.ledger.models import Account, AccountBalance, TransactionKind
from app.ledger.proofs import prove_sums
from tests.make import make_cast

pytestmark = pytest.mark.real
THREADS, EACH = 6, 12


def post_wip(engagement_ids: list[UUID]) -> None:
    """A unit for each engagement, in one transaction, in the order given."""
    with transaction() as session:
        for work in [session.get_one(Engagement, each) for each in engagement_ids]:
            place = {"client_id": work.client_id, "engagement_id": work.id}
            legs = [Leg(account=Account.WIP, amount=Decimal(1), **place)]
            legs.append(Leg(account=Account.WIP_MEMO, amount=Decimal(-1), **place))
            post(
                TransactionKind.RECORDED, legs, by=SYSTEM, currency="GBP", books=Books(work.entity_id, "GBP"),
                source=work, happened_on=dt.date(2026, 3, 10),
            )  # fmt: skip
            record("timekeeping.entry.record", work, by=SYSTEM)


def test_posting_and_gathering_at_once_lose_nothing(real_app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "GATHER_FROM", 2)
    with real_app.app_context():
        cast = make_cast()
        db.session.commit()
        both = [cast.acme_work.id, cast.rival_work.id]

    def work(number: int) -> None:
        for _ in range(EACH):
            with real_app.app_context():
                if number:
                    post_wip(both)
                else:
                    gather_account_balances(by=SYSTEM)
                db.session.remove()

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    with real_app.app_context():
        total = db.session.scalar(sa.select(sa.func.sum(AccountBalance.amount)).where(AccountBalance.account == "wip"))
        assert total == 2 * EACH * (THREADS - 1) and list(prove_sums()) == []
