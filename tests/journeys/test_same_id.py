"""The same id again: with the same facts the first thing, with others a conflict, never the first thing in silence."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import add_line
from app.billing.commands.payments import PaymentFacts, record_payment
from app.billing.commands.runs import start_bill_run
from app.billing.models import Invoice, InvoiceLine, Payment
from app.catalogue.models import Service, Stage
from app.clients.models import Arrangement, Client, Contact, Engagement, Wall
from app.core import clock
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.core.ids import new_id
from app.core.once import digest_of
from app.core.permissions import ROLES, Role
from app.documents.commands.uploads import NewFile, start_upload
from app.firm.models import Closure, Entity, Office, TaxRate
from app.jobs.models import Job, Task
from app.ledger.models import ExchangeRate
from app.marks.models import Comment
from app.people.models import Person
from app.people.passwords import hash_password
from app.requests.models import ClientRequest
from app.runs.models import Run
from app.timekeeping.commands.entries import EntryFacts, edit_entry
from app.timekeeping.commands.splits import split_entry
from app.timekeeping.models import Expense, Rate, TimeEntry, Timer
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.jobs.make_jobs import make_job
from tests.journeys.forms import new_things
from tests.make import Cast, count, sign_in
from tests.planning.make_planning import make_service

PASSWORD = "seven quiet lanterns"
YESTERDAY = (clock.today() - dt.timedelta(days=1)).isoformat()
# One field of each form, and what a second press with the same id says instead.
OTHERWISE = {
    Person: ("name", "Nia Other"), Client: ("name", "Twice Ltd"), Contact: ("name", "Ann Twice"),
    Engagement: ("name", "Other books"), Wall: ("reason", "A former employer"), Service: ("name", "Other advice"),
    Arrangement: ("agreed_amount", "901.00"), Stage: ("name", "Another"),
    Job: ("title", "Twice"), Task: ("name", "Twice"), TimeEntry: ("recorded", "2:00"),
    Expense: ("net", "13.00"), ClientRequest: ("name", "Other papers"), Invoice: ("until", YESTERDAY),
    Payment: ("amount", "11.00"), Rate: ("amount", "130"), TaxRate: ("percent", "6"), ExchangeRate: ("rate", "0.86"),
    Closure: ("name", "Plumbers"), Office: ("name", "York"), Entity: ("name", "Other Trustees"),
    Timer: ("note", "Something else"), Comment: ("body", "Not seen"),
}


def test_the_same_id_with_other_facts_is_a_conflict_whatever_the_form_makes(client: FlaskClient, cast: Cast) -> None:
    cast.pat.password_hash = hash_password(PASSWORD)
    make_rate("100")
    make_entry(cast)
    job, service = make_job(cast.acme_work), make_service("Bookkeeping")[0]
    sign_in(client, cast.pat)
    db.session.commit()
    wrong: list[object] = []
    for table, (url, form) in new_things(cast, service.id, job.id, PASSWORD).items():
        its, (field, other) = "timer_id" if table is Timer else "id", OTHERWISE[table]
        row_id = str(new_id())
        first, again, otherwise = (
            client.post(url, data={**form, its: row_id, **more}) for more in ({}, {}, {field: other})
        )
        if (first.status_code, again.status_code) != (303, 303) or first.location != again.location:
            wrong.append((table.__name__, "pressed twice", first.status_code, again.status_code))
        if otherwise.status_code not in (409, 422) or "This form was sent before" not in otherwise.text:
            wrong.append((table.__name__, "with other facts", otherwise.status_code, otherwise.location))
        if (carried := re.search(r'name="id"[^>]*value="([^"]+)"', otherwise.text)) and carried[1] == row_id:
            wrong.append((table.__name__, "can never be saved as a new one"))
    assert wrong == []


def refused(act: Callable[[], object]) -> bool:
    with pytest.raises(Conflict):
        act()
    return True


def paying(cast: Cast, payment_id: UUID, amount: str, **more: Any) -> Payment:
    facts: dict[str, Any] = {
        "client_id": cast.acme.id, "entity_id": cast.entity.id, "received_on": clock.today(), "currency": "GBP",
    }
    return record_payment(payment_id, PaymentFacts(amount=Decimal(amount), **facts | more), by=cast.actor(cast.bea))


def test_a_payments_id_with_another_amount_day_payer_or_reference_records_nothing(cast: Cast) -> None:
    payment_id = new_id()
    first = paying(cast, payment_id, "100.00", reference="May")
    assert paying(cast, payment_id, "100", reference=" May ").id == first.id
    for other in ({"amount": "100.01"}, {"reference": "June"}, {"received_on": clock.today() - dt.timedelta(days=1)},
                  {"client_id": cast.rival.id}, {"currency": "EUR"}, {"parts": ()}):
        assert refused(lambda other=other: paying(cast, payment_id, **{"amount": "100", "reference": "May"} | other))
    assert count(Payment) == 1 and db.session.get_one(Payment, payment_id).amount == 100


def test_a_drafts_id_for_other_work_drafts_nothing(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    draft_id, bea = new_id(), cast.actor(cast.bea)
    facts = {"client_id": cast.acme.id, "engagement_ids": (cast.acme_work.id,), "until": clock.today()}
    first = create_draft(draft_id, DraftFacts(**facts), by=bea)
    first.note = "Changed since"
    assert create_draft(draft_id, DraftFacts(**facts), by=bea).id == first.id
    assert refused(lambda: create_draft(draft_id, DraftFacts(**facts | {"payer_id": cast.rival.id}), by=bea))
    make_entry(cast, engagement=cast.rival_work)
    rivals = {"client_id": cast.rival.id, "engagement_ids": (cast.rival_work.id,)}
    assert refused(lambda: create_draft(draft_id, DraftFacts(**facts | rivals), by=bea))
    assert count(Invoice) == 1


def test_a_lines_id_with_another_amount_or_for_another_bill_adds_nothing(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    bill, line_id, bea = make_draft(cast), new_id(), cast.actor(cast.bea)
    make_entry(cast, engagement=cast.rival_work)
    other_bill = make_draft(cast, cast.rival_work)
    for _ in range(2):
        add_line(bill, line_id, "Extra", Decimal(50), by=bea)
    assert refused(lambda: add_line(bill, line_id, "Extra", Decimal(60), by=bea))
    with pytest.raises(NotFound):
        add_line(other_bill, line_id, "Extra", Decimal(50), by=bea)
    assert [line.net for line in db.session.scalars(sa.select(InvoiceLine).where(InvoiceLine.id == line_id))] == [50]


def test_a_credit_notes_id_for_another_bill_or_reason_credits_nothing(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    bea, note_id = cast.actor(cast.bea), new_id()
    one = approve_invoice(make_draft(cast), by=bea)
    make_entry(cast, engagement=cast.rival_work)
    two = approve_invoice(make_draft(cast, cast.rival_work), by=bea)
    note = credit_invoice(one, note_id, "Wrong rate", by=bea)
    assert credit_invoice(one, note_id, "Wrong rate", by=bea).id == note.id
    assert refused(lambda: credit_invoice(one, note_id, "Wrong client", by=bea))
    with pytest.raises(NotFound):
        credit_invoice(two, note_id, "Wrong rate", by=bea)
    assert two.state.value == "approved"


def test_a_bill_runs_id_up_to_another_day_starts_nothing_and_the_same_finds_its_run(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    run_id, mel = new_id(), cast.actor(cast.mel)
    first = start_bill_run(run_id, clock.today(), by=mel)
    make_draft(cast)  # nothing is left to bill, and still the run is what the second press gets
    assert start_bill_run(run_id, clock.today(), by=mel).id == first.id
    assert refused(lambda: start_bill_run(run_id, clock.today(), by=mel, approve=False, excluded=["x"]))
    assert count(Run) == 1


def test_a_parts_id_of_another_length_splits_nothing(cast: Cast) -> None:
    make_rate("100")
    entry, part_id, sam = make_entry(cast, "2"), new_id(), cast.actor(cast.sam)
    half = dt.timedelta(minutes=30)
    part = split_entry(entry, part_id, half, by=sam)
    assert split_entry(entry, part_id, half, by=sam).id == part.id
    assert refused(lambda: split_entry(entry, part_id, 2 * half, by=sam))
    assert entry.recorded == 3 * half


def test_what_was_changed_since_is_still_what_its_form_made(cast: Cast, client: FlaskClient) -> None:
    """A press that comes late, after somebody has edited the entry, finds the entry and undoes nothing."""
    make_rate("100")
    sign_in(client, cast.sam)
    db.session.commit()
    entry_id = new_id()
    form = {"id": str(entry_id), "work": f"engagement:{cast.acme_work.id}", "recorded": "1:00",
            "worked_on": clock.today().isoformat(), "narrative": "As typed"}
    client.post("/time", data=form)
    entry = db.session.get_one(TimeEntry, entry_id)
    facts = EntryFacts(engagement_id=cast.acme_work.id, worked_on=clock.today(), recorded=dt.timedelta(hours=1),
                       narrative="As corrected")
    edit_entry(entry, facts, by=cast.actor(cast.sam))
    db.session.commit()
    assert client.post("/time", data=form).status_code == 303
    db.session.expire_all()
    assert db.session.get_one(TimeEntry, entry_id).narrative == "As corrected"


def test_a_files_id_for_another_file_takes_nothing_in(cast: Cast, session: Session) -> None:
    file_id, sam = new_id(), cast.actor(cast.sam)
    first = start_upload(NewFile(file_id, "a.pdf", 10), client_id=cast.acme.id, by=sam)
    assert start_upload(NewFile(file_id, "a.pdf", 10), client_id=cast.acme.id, by=sam).id == first.id
    for other in (NewFile(file_id, "b.pdf", 10), NewFile(file_id, "a.pdf", 11)):
        assert refused(lambda other=other: start_upload(other, client_id=cast.acme.id, by=sam))
    assert refused(lambda: start_upload(NewFile(file_id, "a.pdf", 10), client_id=cast.acme.id, by=sam, about=new_id()))


def test_a_stranger_who_sends_somebodys_id_learns_nothing(cast: Cast) -> None:
    payment_id = new_id()
    paying(cast, payment_id, "100", client_id=cast.rival.id)
    walled = cast.actor(cast.wes)
    facts = PaymentFacts(client_id=cast.rival.id, entity_id=cast.entity.id, received_on=clock.today(),
                         amount=Decimal(100), currency="GBP")
    with pytest.raises(NotFound):
        record_payment(payment_id, facts, by=replace(walled, permissions=ROLES[Role.BILLING]))


def test_a_digest_is_of_what_is_said_and_not_of_how_it_is_spelt() -> None:
    assert digest_of(Decimal("1")) == digest_of(Decimal("1.00")) != digest_of(Decimal("1.01"))
    assert digest_of(Decimal("-0.00")) == digest_of(Decimal(0))
    assert digest_of(Decimal("1E+2")) == digest_of(Decimal(100))
    assert digest_of(" May ") == digest_of("May") != digest_of("may")
    assert digest_of({"b", "a"}) == digest_of(frozenset({"a", "b"})) != digest_of(("b", "a"))
    assert digest_of("a", "b") != digest_of("ab") and digest_of(None) != digest_of("") != digest_of(0)
