"""Several tax rates on one bill, reverse charge and exempt: in the sums, at approval and on paper."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
import sqlalchemy as sa
from pypdf import PdfReader
from sqlalchemy.orm import Session

from app.billing.background import ensure_pdf
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import DraftTerms, LineChange, add_line, change_line, change_terms
from app.billing.commands.totals import lines_of
from app.billing.models import Invoice, TaxMode
from app.core.errors import Refused
from app.core.ids import new_id
from app.firm.models import TaxTreatment
from app.ledger.models import Account, Posting
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_tax


def bill_of_four_rates(cast: Cast) -> Invoice:
    """100.00 at 20 %, 50.05 at 5 %, 30.00 exempt, 20.00 under reverse charge."""
    make_rate("100")
    make_entry(cast)
    bea, invoice = cast.actor(cast.bea), make_draft(cast)
    reduced = make_tax("R5", TaxTreatment.STANDARD, "5")
    exempt = make_tax("E", TaxTreatment.EXEMPT, legend="Exempt under Group 5")
    reverse = make_tax("AE", TaxTreatment.REVERSE_CHARGE, legend="The customer accounts for the VAT")
    for words, net, rate in (("Books", "50.05", reduced), ("Insurance", "30", exempt), ("Abroad", "20", reverse)):
        add_line(invoice, new_id(), words, Decimal(net), by=bea, tax_code=rate.code)
    return invoice


def test_each_rate_is_taxed_for_itself(session: Session, cast: Cast) -> None:
    invoice = bill_of_four_rates(cast)
    assert [line.tax for line in lines_of(invoice)] == [Decimal(20), Decimal("2.50"), 0, 0]
    assert (invoice.net, invoice.tax, invoice.gross) == (Decimal("200.05"), Decimal("22.50"), Decimal("222.55"))


def test_reverse_charge_names_the_customers_own_number(session: Session, cast: Cast) -> None:
    invoice, bea = bill_of_four_rates(cast), cast.actor(cast.bea)
    with pytest.raises(Refused, match="art. 226"):
        approve_invoice(invoice, by=bea)
    cast.acme.tax_number = "DE136695976"
    approve_invoice(invoice, by=bea)
    owed = session.scalar(sa.select(sa.func.sum(Posting.amount)).where(Posting.account == Account.TAX))
    assert owed == Decimal("-22.50")


def test_the_paper_says_why_no_tax_is_charged(session: Session, cast: Cast) -> None:
    invoice = bill_of_four_rates(cast)
    cast.acme.tax_number = "DE136695976"
    approve_invoice(invoice, by=cast.actor(cast.bea))
    pages = PdfReader(io.BytesIO(ensure_pdf(invoice))).pages
    text = " ".join(" ".join(page.extract_text().split()) for page in pages)
    said = ("Exempt", "Exempt under Group 5", "Reverse charge", "The customer accounts for the VAT", "DE136695976")
    assert [words for words in said if words not in text] == []


def test_tax_by_total_rounds_once_and_its_lines_add_up(session: Session, cast: Cast) -> None:
    make_rate("0.33")
    make_entry(cast)
    bea, invoice = cast.actor(cast.bea), make_draft(cast)
    for n in range(2):
        add_line(invoice, new_id(), f"Line {n}", Decimal("0.33"), by=bea, tax_code=cast.vat.code)
    assert invoice.tax == Decimal("0.21")
    change_terms(invoice, DraftTerms(terms_days=14, note="", tax_mode=TaxMode.TOTAL), by=bea)
    assert invoice.tax == Decimal("0.20") == sum(line.tax for line in lines_of(invoice))


def test_a_line_takes_another_rate(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    zero = LineChange(tax_code=make_tax("Z", TaxTreatment.ZERO).code)
    change_line(invoice, lines_of(invoice)[0].id, zero, by=cast.actor(cast.bea))
    assert (invoice.tax, invoice.gross) == (0, Decimal(100))
