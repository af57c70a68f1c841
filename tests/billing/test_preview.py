"""A look at the very paper of a bill, from its draft: made by the code of its issue, and kept nowhere."""

from __future__ import annotations

import datetime as dt
import io
import re
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.activity.models import Event
from app.billing import pdf as papers
from app.billing.background import ensure_pdf
from app.billing.commands import paper
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line
from app.billing.commands.paper import preview_pdf
from app.billing.commands.payer import change_payer
from app.billing.commands.totals import lines_of
from app.billing.models import Invoice, InvoiceLine
from app.core import clock
from app.core.db import Base, transaction
from app.core.errors import NotAllowed, NotFound, Refused
from app.firm.models import TaxRate, TaxTreatment
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_engagement, make_tax, sign_in


def text_of(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages)


@pytest.fixture
def draft(session: Session, cast: Cast) -> Invoice:
    make_rate("100")
    make_entry(cast, "2")
    return make_draft(cast)


def rows_of_all_tables(session: Session) -> dict[str, tuple[int, str]]:
    """How many rows each table has, and a digest of them."""
    session.flush()
    return {
        table.name: tuple(session.execute(sa.text(
            f"SELECT count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table.name}\" t"
        )).one())
        for table in Base.metadata.sorted_tables
    }  # fmt: skip


def test_the_preview_says_what_the_bill_will_say_marked_as_a_draft_without_a_number(
    session: Session, cast: Cast, draft: Invoice
) -> None:
    seen = text_of(preview_pdf(draft, by=cast.actor(cast.bea)))
    invoice = approve_invoice(draft, by=cast.actor(cast.bea))
    bill = text_of(ensure_pdf(invoice))
    assert "DRAFT" in seen and "DRAFT" not in bill and str(invoice.number) not in seen
    for mark in ("DRAFT", "Draft"):
        seen = seen.replace(mark, "")
    assert set(seen.split()) == set(bill.replace(str(invoice.number), "").split()) - {"Reference"}


def test_the_preview_has_the_date_that_is_chosen_for_the_bill(
    cast: Cast, client: FlaskClient, draft: Invoice
) -> None:
    at, day = f"/billing/invoices/{draft.id}/preview", clock.today() - dt.timedelta(days=9)
    sign_in(client, cast.bea)
    page = client.get(f"/billing/invoices/{draft.id}").text
    assert re.search(rf'<a href="{at}"[^>]* data-with="#issued_on"', page)
    assert 'id="issued_on"' in page
    chosen = text_of(client.get(f"{at}?issued_on={day}").data)
    invoice = approve_invoice(draft, by=cast.actor(cast.bea), issued_on=day)
    facts = invoice.facts or {}
    issued = text_of(ensure_pdf(invoice))
    assert facts["issued_on"] == day.isoformat()
    assert set(issued.replace(str(invoice.number), "").split()) - {"Reference"} <= set(chosen.split())


def test_a_date_that_is_none_is_refused_in_a_sentence(cast: Cast, client: FlaskClient, draft: Invoice) -> None:
    answer = sign_in(client, cast.bea).get(f"/billing/invoices/{draft.id}/preview?issued_on=soon")
    assert answer.status_code == 422 and "That is not a date." in answer.text


def test_a_look_changes_nothing(session: Session, cast: Cast, client: FlaskClient, draft: Invoice) -> None:
    sign_in(client, cast.bea)
    client.get("/billing")  # what a look at any page leaves behind
    before = rows_of_all_tables(session)
    answer = client.get(f"/billing/invoices/{draft.id}/preview")
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.headers["Cache-Control"] == "no-store" and answer.data.startswith(b"%PDF")
    session.expire_all()
    assert rows_of_all_tables(session) == before
    assert session.get_one(Invoice, draft.id).issued_on is None


def test_a_look_within_a_piece_of_work_leaves_the_rest_of_it(session: Session, cast: Cast, draft: Invoice) -> None:
    session.commit()
    with transaction():
        change = LineChange(description="As agreed by telephone")
        change_line(draft, lines_of(draft)[0].id, change, by=cast.actor(cast.bea))
        assert "As agreed by telephone" in text_of(preview_pdf(draft, by=cast.actor(cast.bea)))
    session.expire_all()
    assert (draft.issued_on, [line.description for line in lines_of(draft)]) == (None, ["As agreed by telephone"])


def test_a_look_at_a_draft_holds_it_and_finds_what_was_issued_meanwhile(
    session: Session, cast: Cast, draft: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lock comes before anything is worked out: whoever issues at that moment is waited for."""

    def issued_meanwhile(invoice: Invoice) -> None:
        approve_invoice(invoice, by=cast.actor(cast.bea))

    monkeypatch.setattr(paper, "lock_invoice", issued_meanwhile)
    with pytest.raises(NotFound):
        preview_pdf(draft, by=cast.actor(cast.bea))


def test_a_look_names_the_reasons_that_its_issue_would_name(
    session: Session, cast: Cast, client: FlaskClient, draft: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    bea = cast.actor(cast.bea)
    make_tax("AE", TaxTreatment.REVERSE_CHARGE)
    change_line(draft, lines_of(draft)[0].id, LineChange(tax_code="AE"), by=bea)

    def reasons() -> tuple[str, str]:
        with pytest.raises(Refused) as looked:
            preview_pdf(draft, by=bea)
        with pytest.raises(Refused) as issued:
            approve_invoice(draft, by=bea)
        return looked.value.message, issued.value.message

    looked, issued = reasons()
    assert looked == issued and "has none" in looked
    sign_in(client, cast.bea)
    page = client.get(f"/billing/invoices/{draft.id}/preview")
    assert page.status_code == 422 and "has none" in page.text
    change_line(draft, lines_of(draft)[0].id, LineChange(tax_code="S20"), by=bea)

    def fails(facts: dict[str, object], *_a: object, **_k: object) -> bytes:
        raise papers.PaperFailed("no")

    with monkeypatch.context() as patch:
        patch.setattr(papers, "invoice_pdf", fails)
        looked, issued = reasons()
    assert looked == issued and "cannot be made" in looked
    session.execute(sa.update(TaxRate).where(TaxRate.code == "S20").values(to_on=lines_of(draft)[0].supplied_on))
    session.commit()
    looked, issued = reasons()
    assert looked == issued and "charges nothing known" in looked


def test_a_rate_that_changed_between_days_of_work_is_shown_as_it_will_be_billed(
    session: Session, cast: Cast, draft: Invoice
) -> None:
    """The lines that issuing would split are split on the preview, and the draft keeps its own."""
    make_entry(cast, "1")
    count = sa.select(sa.func.count()).select_from(InvoiceLine)
    before = session.scalar(count)
    session.execute(sa.update(TaxRate).where(TaxRate.code == "S20").values(percent=Decimal(25)))
    session.commit()
    assert "VAT 25 %" in text_of(preview_pdf(draft, by=cast.actor(cast.bea)))
    assert session.scalar(count) == before and lines_of(draft)[0].tax_percent == 20


def test_who_does_not_see_the_draft_sees_no_preview(
    session: Session, cast: Cast, client: FlaskClient, draft: Invoice
) -> None:
    rival = make_engagement(cast.rival, cast.entity)
    make_entry(cast, engagement=rival, person=cast.pat)
    hidden = make_draft(cast, rival)
    with pytest.raises(NotAllowed):
        preview_pdf(draft, by=cast.actor(cast.sam))
    cast.wes.role = cast.bea.role
    with pytest.raises(NotFound):
        preview_pdf(hidden, by=cast.actor(cast.wes))
    bea = cast.actor(cast.bea)
    change_payer(draft, cast.rival.id, by=bea)
    with pytest.raises(NotFound):
        preview_pdf(draft, by=cast.actor(cast.wes))
    change_payer(draft, cast.acme.id, by=bea)
    sign_in(client, cast.wes)
    assert client.get(f"/billing/invoices/{hidden.id}/preview").status_code == 404
    assert client.get(f"/billing/invoices/{draft.id}/preview").status_code == 200
    events = session.scalar(sa.select(sa.func.count()).select_from(Event).where(Event.subject_id == hidden.id))
    assert events == 1  # that it was drafted


def test_what_is_issued_is_looked_at_as_it_was_issued(session: Session, cast: Cast, client: FlaskClient) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    with pytest.raises(NotFound):
        preview_pdf(invoice, by=cast.actor(cast.bea))
    sign_in(client, cast.bea)
    answer = client.get(f"/billing/invoices/{invoice.id}/preview")
    assert (answer.status_code, answer.location) == (302, f"/billing/invoices/{invoice.id}/pdf")
