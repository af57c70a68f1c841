"""A small firm whose books were tampered with: what it holds, and the hands that own database and storage."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.activity.commands import seal_events
from app.billing.background import ensure_pdf
from app.billing.commands.credit import credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.send import mark_sent
from app.billing.commands.settling import reverse_payment
from app.billing.models import Invoice
from app.core import clock
from app.core.actors import SYSTEM
from app.core.backing.provision import database_url, make_bucket
from app.core.db import db, transaction
from app.core.ids import new_id
from app.core.proofs import Finding, run_proofs
from app.core.storage import storage
from app.documents.commands.checking import check_document
from app.documents.commands.uploads import NewFile, complete_upload, start_upload
from app.documents.models import Document
from app.exchange.anchors import write_anchor
from app.ledger.commands import close_period
from app.ledger.models import ExchangeRate
from app.ledger.rates import ExchangeRateFacts, add_exchange_rate
from app.timekeeping.commands.entries import delete_entry
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_cast, make_engagement
from tests.plumbing import TestServices
from tests.requests.make_requests import put_parts


@dataclass
class House:
    """`names` are the ids that acts speak of; `sql` acts as the cluster's superuser with every trigger asleep."""

    cast: Cast
    connection: sa.Connection
    names: dict[str, Any] = field(default_factory=dict)
    _replaced: dict[str, tuple[bytes, str] | None] = field(default_factory=dict)

    def sql(self, *statements: str) -> None:
        self.connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        for statement in statements:
            done = self.connection.execute(sa.text(statement), self.names)
            assert done.rowcount != 0, f"nothing was changed by: {statement}"
        self.connection.exec_driver_sql("SET LOCAL session_replication_role = origin")

    def value(self, statement: str) -> Any:
        return self.connection.scalar(sa.text(statement), self.names)

    def put(self, key: str, body: bytes) -> None:
        self._remember(key)
        storage().put(key, body, "application/octet-stream")

    def delete(self, key: str) -> None:
        self._remember(key)
        storage().delete(key)

    def _remember(self, key: str) -> None:
        there = storage().exists(key)
        before = (storage().get(key), storage().content_type(key)) if there else None
        self._replaced.setdefault(key, before)

    def put_back(self) -> None:
        for key, before in self._replaced.items():
            if before is None:
                storage().delete(key)
            else:
                storage().put(key, *before)
        self._replaced.clear()

    def findings(self, without: str = "") -> list[tuple[str, Finding]]:
        """What `firmament verify` finds now, or would without one of its proofs; notes only inform."""
        db.session.remove()  # its savepoint lies within the act's
        proofs = [(name, all_of_it) for name, all_of_it in run_proofs() if name != without]
        found = [(name, one) for name, all_of_it in proofs for one in all_of_it if not one.note]
        db.session.remove()
        return found

    @contextmanager
    def tampered(self) -> Iterator[None]:
        """Whatever is done inside is undone after."""
        savepoint = self.connection.begin_nested()
        try:
            yield
        finally:
            db.session.remove()
            savepoint.rollback()
            self.put_back()


def take_in(cast: Cast, name: str, body: bytes) -> Document:
    by = cast.contact(cast.cleo)
    document = start_upload(NewFile(new_id(), name, len(body)), client_id=cast.acme.id, by=by)
    complete_upload(document.id, by=by, digests=put_parts(document, body))
    check_document(document.id, by=SYSTEM)
    return document


def _paid(cast: Cast, invoice: Invoice, amount: Decimal, on: dt.date) -> Any:
    facts = PaymentFacts(
        client_id=invoice.payer_id, entity_id=invoice.entity_id, received_on=on, amount=amount,
        currency=invoice.currency, parts=((invoice.id, min(amount, invoice.open_amount)),),
    )  # fmt: skip
    return record_payment(new_id(), facts, by=cast.actor(cast.bea)).id


def make_firm() -> tuple[Cast, dict[str, Any]]:
    """Three bills in a row, one of them credited; payments whole, in part, over and reversed; a closed month."""
    with transaction():
        cast = make_cast()
        make_rate("100")
        second = make_engagement(cast.rival, cast.entity, "Payroll")
    bea, today, names = cast.actor(cast.bea), clock.today(), dict[str, Any]()
    add_exchange_rate(
        new_id(), ExchangeRateFacts(currency="EUR", base="GBP", rate=Decimal("0.85"), from_on=dt.date(2020, 1, 1)),
        by=cast.actor(cast.pat),
    )  # fmt: skip
    names["rate"] = db.session.scalar(sa.select(ExchangeRate.id))
    last_month = today.replace(day=1) - dt.timedelta(days=10)
    names["old_entry"] = make_entry(cast, "2", on=last_month, narrative="Bookkeeping").id
    close_period(last_month, by=cast.actor(cast.pat))
    for number, hours in enumerate(("1", "2", "3"), 1):
        entry = make_entry(cast, hours, narrative=f"Advice {number}", on=today)
        invoice = approve_invoice(make_draft(cast), by=bea)
        names |= {f"entry{number}": entry.id, f"bill{number}": invoice.id}
        ensure_pdf(invoice)
        mark_sent(invoice, by=bea, to=["cleo@client.example"])
        names |= {f"pdf{number}": invoice.pdf_key}
    other = make_entry(cast, "1.5", engagement=second, narrative="Payroll", on=today)
    rival = approve_invoice(make_draft(cast, second), by=bea)
    ensure_pdf(rival)
    names |= {"rival_bill": rival.id, "rival_entry": other.id}
    first, third = db.session.get_one(Invoice, names["bill1"]), db.session.get_one(Invoice, names["bill3"])
    names["payment1"] = _paid(cast, first, first.gross, today)
    names["payment2"] = _paid(cast, third, Decimal(50), today)
    names["over"] = _paid(cast, third, third.gross, today)
    names["bounced"] = _paid(cast, rival, Decimal(20), today)
    from app.billing.models import Payment

    reverse_payment(db.session.get_one(Payment, names["bounced"]), "Bounced", by=bea)
    note = credit_invoice(db.session.get_one(Invoice, names["bill2"]), new_id(), "Wrong rate", by=bea)
    ensure_pdf(note)
    names["note"] = note.id
    gone = make_entry(cast, "0.5", narrative="A slip", on=today)
    delete_entry(gone, by=cast.actor(cast.sam))
    names["open_entry"] = make_entry(cast, "4", narrative="Still open", on=today).id
    names["document"] = take_in(cast, "letter.txt", b"Dear Cleo, all is well.").id
    names |= {
        "acme": cast.acme.id, "rival": cast.rival.id, "sam": cast.sam.id, "pat": cast.pat.id, "month": last_month,
        "entity": cast.entity.id,
    }  # fmt: skip
    return cast, names


@contextmanager
def tampered_house(app: Flask, services: TestServices) -> Iterator[House]:
    """The firm, made and sealed; then one connection of the superuser for whoever tampers and for the proofs."""
    settings = app.config["SETTINGS"]
    make_bucket(settings)
    with app.app_context():
        cast, names = make_firm()
        while seal_events():
            pass
        assert write_anchor(by=SYSTEM)
        while seal_events():
            pass
        db.session.remove()
        name = sa.make_url(settings.database_url).database or ""
        url = database_url(services.port, services.credentials, login="postgres", database=name)
        password = services.credentials.postgres_password
        engine = sa.create_engine(sa.make_url(url).set(username="postgres", password=password), poolclass=sa.NullPool)
        engines = db.engines
        kept = dict(engines)
        with engine.connect() as connection:
            outer = connection.begin()
            engines.clear()
            engines[None] = connection  # type: ignore[assignment]
            db.session.configure(join_transaction_mode="create_savepoint")
            try:
                yield House(cast, connection, names)
            finally:
                db.session.remove()
                outer.rollback()
                engines.clear()
                engines.update(kept)
                db.session.configure(join_transaction_mode="conditional_savepoint")
        engine.dispose()


__all__ = ["House", "Session", "make_firm", "tampered_house"]
