"""A firm of an older version comes over whole: its figures, its postings, its log; and it can go on working."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.repairing import repair_books
from app.billing.commands.settling import reverse_payment
from app.billing.models import Invoice, InvoiceKind, InvoiceState, Payment
from app.config import Settings
from app.core.actors import SYSTEM
from app.core.backing.provision import make_bucket
from app.core.db import db
from app.core.ids import new_id
from app.core.migration import migrate
from app.core.proofs import run_proofs
from app.factory import create_app
from tests.plumbing import PREFIX, TestServices, drop, own

pytestmark = pytest.mark.real
DUMP = Path(__file__).parents[1] / "data" / "older" / "before_money_ground.sql.gz"

# What the older version wrote of its postings; what a newer one adds to them is filled by its migrations.
_POSTINGS = """
    SELECT count(*), md5(string_agg(concat_ws('|', transaction_id, line, account, amount, currency, base_amount,
        trim_scale(base_rate), client_id, invoice_id, payment_id, item_id), ',' ORDER BY transaction_id, line))
    FROM posting WHERE transaction_id <= :last
"""
_TRANSACTIONS = """
    SELECT count(*), md5(string_agg(concat_ws('|', id, kind, posted_on, happened_on, source_kind, source_id, reason,
        by_id, reverses_id, made_at), ',' ORDER BY id))
    FROM ledger_transaction WHERE id <= :last
"""
_BILLS = """
    SELECT count(*), md5(string_agg(concat_ws('|', number, kind, state, client_id, payer_id, currency, issued_on,
        due_on, net, tax, gross, open_amount, facts::text), ',' ORDER BY number))
    FROM invoice WHERE number IS NOT NULL
"""
# To whole units: fractions of yen, which the older version could make, are rounded away.
# In base, what rates had left on closed accounts is put right; `billing.base` proves that none is left.
_SUMS = """
    SELECT account, currency, client_id, round(sum(amount), CASE currency WHEN 'JPY' THEN 0 ELSE 2 END),
        CASE WHEN account NOT IN ('bank', 'credit', 'receivable') THEN sum(base_amount) END
    FROM posting WHERE account <> 'gain_loss' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_OPEN = """
    SELECT id, currency, round(open_value, CASE currency WHEN 'JPY' THEN 0 ELSE 2 END), recorded, charged,
        deleted_at IS NULL
    FROM (SELECT id, currency, open_value, recorded, charged, deleted_at FROM time_entry
          UNION ALL SELECT id, currency, open_value, net, tax, deleted_at FROM expense) item ORDER BY 1
"""
_LATER = """
    SELECT count(*) FROM posting p JOIN ledger_transaction t ON t.id = p.transaction_id
    WHERE t.id > :last AND t.reason NOT LIKE 'put right:%'
"""
_EVENTS = """
    SELECT count(*), md5(string_agg(concat_ws('|', e.id, e.kind, e.at, e.payload_hash, p.data::text), ','
        ORDER BY e.id))
    FROM event e JOIN event_payload p ON p.event_id = e.id WHERE e.id <= :last_event
"""


@dataclass
class Figures:
    """What a database says of its money."""

    postings: Any
    transactions: Any
    bills: Any
    events: Any
    sums: list[Any]
    items: dict[Any, Any]
    later_postings: int
    later_events: int


@contextmanager
def older_database(services: TestServices, name: str) -> Iterator[Settings]:
    """The dump in a database of its own, as its owner restores it: schema, data, triggers and all."""
    assert PREFIX == "firmament_test"  # the dump's privileges name these roles
    with services.admin() as admin:
        drop(admin, name)
        own(admin, name, prefix=PREFIX)
    settings = replace(services.with_database(name), s3_bucket=f"{services.settings.s3_bucket}-older")
    make_bucket(settings)
    try:
        engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.connection.cursor().execute(gzip.decompress(DUMP.read_bytes()))
        engine.dispose()
        yield settings
    finally:
        with services.admin() as admin:
            drop(admin, name)


def figures(settings: Settings, last: int | None = None, last_event: int | None = None) -> Figures:
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        ends = {
            "last": last or connection.scalar(sa.text("SELECT max(id) FROM ledger_transaction")),
            "last_event": last_event or connection.scalar(sa.text("SELECT max(id) FROM event")),
        }

        def rows(statement: str) -> list[Any]:
            return [tuple(row) for row in connection.execute(sa.text(statement), ends)]

        found = Figures(
            rows(_POSTINGS), rows(_TRANSACTIONS), rows(_BILLS), rows(_EVENTS), rows(_SUMS),
            {row[0]: row[1:] for row in rows(_OPEN)},
            connection.scalar(sa.text(_LATER), ends) or 0,
            connection.scalar(sa.text("SELECT count(*) FROM event WHERE id > :last_event"), ends) or 0,
        )  # fmt: skip
    engine.dispose()
    return found


RESTS_IN_BASE = 10


def ends_of(settings: Settings) -> tuple[int, int]:
    engine = sa.create_engine(settings.database_url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        row = connection.execute(
            sa.text("SELECT (SELECT max(id) FROM ledger_transaction), (SELECT max(id) FROM event)")
        ).one()
    engine.dispose()
    return row[0], row[1]


@pytest.fixture
def older(services: TestServices) -> Iterator[Settings]:
    with older_database(services, f"fm_{os.getpid()}_older") as settings:
        yield settings


@contextmanager
def running_app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    app.config["QUEUE_INLINE"] = []
    with app.app_context():
        try:
            yield app
        finally:
            db.session.remove()
            for engine in db.engines.values():
                engine.dispose()
    app.extensions["redis"].close()


def faults() -> list[str]:
    """What the proofs find; the storage is that of all tests and holds what others sent."""
    return [
        f"{name}: {f.subject} {f.message}"
        for name, found in run_proofs() if name != "documents.objects" for f in found if not f.note
    ]


def test_an_older_firm_comes_over_with_every_figure_and_every_proof_holds(older: Settings) -> None:
    last, last_event = ends_of(older)
    before = figures(older)
    assert (before.postings[0][0], before.bills[0][0], len(before.items)) == (452, 14, 85)
    assert migrate(older) is True
    after = figures(older, last, last_event)
    assert (after.postings, after.transactions) == (before.postings, before.transactions)
    assert after.bills == before.bills
    assert after.events == before.events
    assert after.sums == before.sums and after.later_postings == 0
    assert after.items == before.items
    assert after.later_events <= 2  # what stood before the postings learnt their books, and what events vouch for
    with running_app(older):
        mend_the_books()


def mend_the_books() -> None:
    """What was billed and written off at another exchange rate than it was recorded with left WIP in base: that is
    named with the way out, which is taken, once."""
    rests = faults()
    assert len(rests) == RESTS_IN_BASE == len(repair_books(by=SYSTEM))
    assert all(each.startswith("ledger.wip_in_base: ") and "`firmament repair books`" in each for each in rests)
    assert faults() == [] and repair_books(by=SYSTEM) == []


def test_an_older_firm_goes_on_working(older: Settings) -> None:
    """Its drafts are issued, its bills credited, its payments reversed: nothing that stood before stands in the way."""
    migrate(older)
    with running_app(older):
        drafts = db.session.scalars(sa.select(Invoice.id).where(Invoice.number.is_(None)).order_by(Invoice.id)).all()
        assert len(drafts) == 4
        for invoice_id in drafts:
            approve_invoice(db.session.get_one(Invoice, invoice_id), by=SYSTEM, reason="As agreed")
        mend_the_books()
        issued = sa.select(Invoice.id).where(
            Invoice.kind == InvoiceKind.INVOICE, Invoice.state.in_((InvoiceState.APPROVED, InvoiceState.SENT))
        )
        for payment_id in db.session.scalars(sa.select(Payment.id).where(Payment.currency == "EUR")).all():
            reverse_payment(db.session.get_one(Payment, payment_id), "Returned by the bank", by=SYSTEM)
        assert faults() == []
        for invoice_id in db.session.scalars(issued.order_by(Invoice.id)).all():
            credit_invoice(db.session.get_one(Invoice, invoice_id), new_id(), "Begun anew", by=SYSTEM)
        assert faults() == []
        owed = db.session.scalar(sa.text("SELECT sum(open_amount) FROM invoice")) or Decimal(0)
        assert owed == 0
