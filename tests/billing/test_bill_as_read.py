"""A bill as an accountant and a lawyer would send it: what stands on its paper, and where."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest
from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.billing.background import ensure_pdf
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import DraftFacts, create_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line
from app.billing.commands.totals import lines_of
from app.billing.invoice_paper import invoice_data
from app.billing.models import Invoice
from app.billing.pdf import locale_of
from app.clients.models import Engagement
from app.core import clock
from app.core.ids import new_id
from app.firm.models import Grouping, TaxTreatment
from tests.billing.make_billing import make_entry, make_rate
from tests.make import Cast, make_client, make_engagement, make_tax


def text_of(invoice: Invoice) -> str:
    pages = PdfReader(io.BytesIO(ensure_pdf(invoice))).pages
    return " ".join(" ".join(page.extract_text().split()) for page in pages)


def drafted(cast: Cast, *engagements: Engagement, grouping: Grouping = Grouping.ENGAGEMENT) -> Invoice:
    chosen = engagements or (cast.acme_work,)
    facts = DraftFacts(
        client_id=chosen[0].client_id, engagement_ids=tuple(e.id for e in chosen), until=clock.today(),
        grouping=grouping,
    )  # fmt: skip
    return create_draft(new_id(), facts, by=cast.actor(cast.bea))


def on_paper(invoice: Invoice) -> dict[str, Any]:
    assert invoice.facts is not None
    return invoice_data(invoice.facts, locale_of("en", invoice.facts["seller"]["country"]))


def in_days(count: int) -> dt.date:
    return clock.today() + dt.timedelta(days=count)


def test_one_line_per_entry_prints_date_person_hours_and_rate(session: Session, cast: Cast) -> None:
    make_rate("180", person_id=cast.sam.id)
    make_rate("320", person_id=cast.pat.id)
    make_entry(cast, "1.5", on=in_days(-9), narrative="Reading the contract")
    make_entry(cast, "0.2", on=in_days(-7), person=cast.pat, narrative="Telephone call")
    invoice = approve_invoice(drafted(cast, grouping=Grouping.ENTRY), by=cast.actor(cast.bea))
    section = on_paper(invoice)["sections"][0]
    assert [words for words, _kind in section["columns"]] == [
        "Date", "Who", "Description", "Hours", "Rate", "VAT", "Amount, GBP"
    ]  # fmt: skip
    assert [row[1:] for row in section["rows"]] == [
        ["Sam", "Reading the contract", "1.50", "180.00", "20 %", "270.00"],
        ["Pat", "Telephone call", "0.20", "320.00", "20 %", "64.00"],
    ]
    assert section["sums"] == ["", "", "", "1.70", "", "", "334.00"]
    assert "Reading the contract 1.50 180.00 20 % 270.00" in text_of(invoice)


def test_an_entry_billed_at_another_amount_shows_its_hours_and_no_rate(session: Session, cast: Cast) -> None:
    make_rate("180")
    make_entry(cast, "1.5")
    invoice, bea = drafted(cast, grouping=Grouping.ENTRY), cast.actor(cast.bea)
    change_line(invoice, lines_of(invoice)[0].id, LineChange(net=Decimal(200)), by=bea)
    approve_invoice(invoice, by=bea, reason="Agreed")
    assert on_paper(invoice)["sections"][0]["rows"][0][3:] == ["1.50", "", "20 %", "200.00"]


def test_a_credit_note_says_what_its_bill_said(session: Session, cast: Cast) -> None:
    make_rate("180")
    make_entry(cast, "1.5")
    bea = cast.actor(cast.bea)
    invoice = approve_invoice(drafted(cast, grouping=Grouping.ENTRY), by=bea)
    note = credit_invoice(invoice, new_id(), "Wrong matter", by=bea)
    assert on_paper(note)["sections"][0]["rows"][0][1:] == ["Sam", "Work", "1.50", "180.00", "20 %", "−270.00"]


def test_the_engagement_stands_on_the_bill_and_several_head_their_lines(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    bea = cast.actor(cast.bea)
    one = approve_invoice(drafted(cast), by=bea)
    assert ["Engagement", f"General advice ({cast.acme_work.number})", False] in on_paper(one)["head"]
    other = make_engagement(cast.acme, cast.entity, "Employment")
    make_entry(cast)
    make_entry(cast, engagement=other)
    both = on_paper(approve_invoice(drafted(cast, cast.acme_work, other), by=bea))
    assert [section["title"] for section in both["sections"]] == ["General advice", "Employment"]
    assert [section["sums"][-1] for section in both["sections"]] == ["100.00", "100.00"]


def test_when_it_was_supplied_stands_on_the_bill(session: Session, cast: Cast) -> None:
    make_rate("100")
    for day in (-9, -2):
        make_entry(cast, on=in_days(day))
    head = dict(row[:2] for row in on_paper(approve_invoice(drafted(cast), by=cast.actor(cast.bea)))["head"])
    assert head["Supplied"].count("20") >= 2 and " – " in head["Supplied"]


@pytest.mark.parametrize(("country", "word", "title"), [
    ("GB", "VAT", "Invoice"), ("IE", "VAT", "Invoice"), ("AU", "GST", "Tax invoice"), ("NZ", "GST", "Invoice"),
    ("CA", "GST", "Invoice"), ("US", "Sales tax", "Invoice"), ("DE", "USt", "Invoice"),
])  # fmt: skip
def test_tax_is_called_as_in_the_country_that_bills(
    session: Session, cast: Cast, country: str, word: str, title: str
) -> None:
    cast.entity.country = country
    make_rate("100")
    make_entry(cast)
    page = on_paper(approve_invoice(drafted(cast), by=cast.actor(cast.bea)))
    assert page["words"]["title"] == title
    assert (page["sections"][0]["columns"][1][0], page["totals"][1][0]) == (word, f"{word} 20 % on 100.00")


def test_a_bill_of_the_united_states_says_nothing_of_a_scope(session: Session, cast: Cast) -> None:
    cast.entity.country = "US"
    cast.acme_work.tax_code = make_tax("O", TaxTreatment.OUTSIDE).code
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(drafted(cast), by=cast.actor(cast.bea))
    page, text = on_paper(invoice), text_of(invoice)
    assert (page["totals"], page["paper"]) == ([], "us-letter")
    assert not any(word in text for word in ("VAT", "scope", "Outside", "Sales tax"))


def test_what_lies_abroad_says_its_country(session: Session, cast: Cast) -> None:
    make_rate("100")
    german = make_client("Müller GmbH", cast.office, country="DE", address="Hauptstraße 1\n10115 Berlin")
    work = make_engagement(german, cast.entity)
    make_entry(cast, engagement=work)
    page = on_paper(approve_invoice(drafted(cast, work), by=cast.actor(cast.bea)))
    assert page["buyer"]["address"].endswith("Berlin\nGermany")


def test_facts_kept_by_an_older_version_still_make_a_paper(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(drafted(cast), by=cast.actor(cast.bea))
    assert invoice.facts is not None
    new = ("grouping", "engagements", "allowance", "allowance_reason", "charge", "charge_reason", "prepaid")
    old = {name: value for name, value in invoice.facts.items() if name not in new}
    kept = ("description", "quantity", "unit_price", "net", "tax_percent", "tax_treatment", "tax_legend", "tax")
    old["lines"] = [{name: line[name] for name in kept} for line in invoice.facts["lines"]]
    page = invoice_data(old, locale_of("en"))
    assert [row[-1] for row in page["sections"][0]["rows"]] == ["100.00"]
