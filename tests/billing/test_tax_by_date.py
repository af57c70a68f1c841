"""Tax goes by code and day of supply, is decided at issue, and never becomes another unseen."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.orm import Session

from app.billing.commands.credit import SAID, credit_invoice
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, add_line, change_line
from app.billing.commands.totals import lines_of
from app.billing.models import Invoice, InvoiceItem, InvoiceKind, InvoiceLine, InvoiceState, LineUnit
from app.clients.models import ArrangementKind
from app.core import clock
from app.core.db import transaction
from app.core.errors import NotAllowed, Refused
from app.core.ids import new_id
from app.firm.commands.tax import archive_rate, change_rate, restore_rate, withdraw_rate
from app.firm.models import TaxCode, TaxPoint, TaxRate, TaxTreatment
from app.firm.queries import list_tax_rates
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_engagement, make_tax


def in_days(count: int) -> dt.date:
    return clock.today() + dt.timedelta(days=count)


def percents(invoice: Invoice) -> list[tuple[Decimal, Decimal]]:
    return [(line.tax_percent, line.net) for line in lines_of(invoice)]


def test_a_rate_that_begins_in_forty_days_does_not_tax_todays_bill(session: Session, cast: Cast) -> None:
    change_rate(cast.vat, Decimal(25), in_days(40), by=cast.actor(cast.pat))
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    assert (invoice.net, invoice.tax) == (Decimal(100), Decimal(20))


def test_an_engagement_follows_its_code_through_a_change(session: Session, cast: Cast) -> None:
    cast.acme_work.tax_code = make_tax("R5", TaxTreatment.STANDARD, "5").code
    change_rate(session.scalars(sa.select(TaxRate).where(TaxRate.code == "R5")).one(), Decimal(7), in_days(-1),
                by=cast.actor(cast.pat))
    make_rate("100")
    make_entry(cast, on=clock.today())
    assert percents(make_draft(cast)) == [(Decimal(7), Decimal(100))]


def test_work_done_after_its_own_rate_ended_is_not_taxed_with_it(session: Session, cast: Cast) -> None:
    ended = make_tax("R5", TaxTreatment.STANDARD, "5", to_on=clock.today())
    cast.acme_work.tax_code = ended.code
    make_rate("100")
    make_entry(cast, on=clock.today())
    with pytest.raises(Refused, match="R5 .* it ended on"):
        make_draft(cast)


def test_work_done_before_a_change_keeps_the_old_rate_on_a_line_of_its_own(session: Session, cast: Cast) -> None:
    make_rate("100")
    for day in (-20, -10, -2):
        make_entry(cast, on=in_days(day))
    change_rate(cast.vat, Decimal(25), in_days(-5), by=cast.actor(cast.pat))
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    assert percents(invoice) == [(Decimal(20), Decimal(200)), (Decimal(25), Decimal(100))]
    assert [line.supplied_on for line in lines_of(invoice)] == [in_days(-10), in_days(-2)]
    assert (invoice.tax, invoice.gross) == (Decimal(65), Decimal(365))


def test_the_firm_may_go_by_the_date_of_the_bill(session: Session, cast: Cast) -> None:
    cast.entity.tax_point = TaxPoint.ISSUE
    make_rate("100")
    for day in (-20, -2):
        make_entry(cast, on=in_days(day))
    change_rate(cast.vat, Decimal(25), in_days(-5), by=cast.actor(cast.pat))
    assert percents(make_draft(cast)) == [(Decimal(25), Decimal(200))]


def test_a_fee_goes_by_the_day_that_its_draft_states(session: Session, cast: Cast) -> None:
    fixed = make_engagement(cast.acme, cast.entity, "Accounts", kind=ArrangementKind.FIXED, fee=Decimal(1000))
    invoice, bea = make_draft(cast, fixed), cast.actor(cast.bea)
    add_line(invoice, new_id(), "Filing", Decimal(100), by=bea)
    change_rate(cast.vat, Decimal(25), in_days(-5), by=cast.actor(cast.pat))
    change_line(invoice, lines_of(invoice)[0].id, LineChange(supplied_on=in_days(-6)), by=bea)
    assert percents(invoice) == [(Decimal(20), Decimal(1000)), (Decimal(25), Decimal(100))]


def test_the_day_of_work_cannot_be_stated_otherwise(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    with pytest.raises(Refused, match="supplied on their own dates"):
        change_line(invoice, lines_of(invoice)[0].id, LineChange(supplied_on=in_days(-90)), by=cast.actor(cast.bea))


def test_tax_that_changed_since_it_was_approved_is_refused_with_both_figures(session: Session, cast: Cast) -> None:
    make_rate("1000")
    make_entry(cast, on=clock.today())
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    invoice.state = InvoiceState.AWAITING
    session.flush()
    change_rate(cast.vat, Decimal(25), clock.today(), by=cast.actor(cast.pat))
    with pytest.raises(Refused) as refused:
        approve_invoice(invoice, by=bea)
    assert refused.value.message == (
        "VAT was 20 % = 200.00 when this was approved; it is 25 % = 250.00 now. Look at it again."
    )
    session.refresh(invoice)
    assert (invoice.state, invoice.number, invoice.tax, invoice.gross) == (
        InvoiceState.DRAFT, None, Decimal(250), Decimal(1250)
    )  # fmt: skip
    assert approve_invoice(invoice, by=bea).tax == Decimal(250)


def test_a_line_over_two_rates_is_split_when_it_is_refused(session: Session, cast: Cast) -> None:
    make_rate("100")
    entries = [make_entry(cast, on=in_days(day)) for day in (-9, -1)]
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    change_rate(cast.vat, Decimal(25), in_days(-5), by=cast.actor(cast.pat))
    with pytest.raises(Refused, match=r"20 % = 40\.00 when this was drafted; it is 25 % = 25\.00 and 20 % = 20\.00"):
        approve_invoice(invoice, by=bea)
    assert percents(invoice) == [(Decimal(20), Decimal(100)), (Decimal(25), Decimal(100))]
    homes = session.execute(sa.select(InvoiceItem.item_id, InvoiceItem.line_id)).all()
    lines = [line.id for line in lines_of(invoice)]
    assert dict(homes) == dict(zip([entry.id for entry in entries], lines, strict=True))
    assert approve_invoice(invoice, by=bea).gross == Decimal(245)


def test_a_backdated_bill_whose_day_decides_is_shown_first(session: Session, cast: Cast) -> None:
    cast.entity.tax_point = TaxPoint.ISSUE
    change_rate(cast.vat, Decimal(25), in_days(-5), by=cast.actor(cast.pat))
    make_rate("100")
    make_entry(cast, on=in_days(-20))
    invoice, bea = make_draft(cast), cast.actor(cast.bea)
    for _ in range(2):
        assert invoice.number is None
        try:
            approve_invoice(invoice, by=bea, issued_on=in_days(-6))
        except Refused as refusal:
            assert "it is 20 % = 20.00 now" in refusal.message
    assert (invoice.number, invoice.tax) == ("INV-00001", Decimal(20))


def test_two_rates_of_a_code_cannot_hold_on_one_day(session: Session, cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="ex_tax_rate_one_a_day"), transaction():
        keep(TaxRate(code="S20", name="VAT", treatment=TaxTreatment.STANDARD, percent=25, from_on=in_days(-1)))


def test_a_mistaken_percentage_taken_back_leaves_the_one_before_as_it_was(session: Session, cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    new = change_rate(cast.vat, Decimal(25), in_days(-5), by=pat)
    with pytest.raises(NotAllowed):
        withdraw_rate(new, by=cast.actor(cast.sam))
    withdraw_rate(new, by=pat)
    assert [rate.percent for rate in list_tax_rates()] == [Decimal(20)]
    assert (cast.vat.to_on, new.archived_at is not None) == (None, True)
    with pytest.raises(Refused, match="taken back"):
        withdraw_rate(new, by=pat)
    change_rate(cast.vat, Decimal(22), in_days(-5), by=pat)


def test_a_code_that_is_archived_taxes_nothing_until_it_is_used_again(session: Session, cast: Cast) -> None:
    reduced, pat = make_tax("R5", TaxTreatment.STANDARD, "5"), cast.actor(cast.pat)
    cast.acme_work.tax_code = reduced.code
    archive_rate(reduced, by=pat)
    make_rate("100")
    make_entry(cast)
    with pytest.raises(Refused, match="R5 is archived"):
        make_draft(cast)
    restore_rate(reduced, by=pat)
    restore_rate(reduced, by=pat)
    assert percents(make_draft(cast)) == [(Decimal(5), Decimal(100))]


def test_the_nearest_code_wins(session: Session, cast: Cast) -> None:
    for code in ("R1", "R2", "R3"):
        make_tax(code, TaxTreatment.STANDARD, code[1:])
    make_rate("100")
    make_entry(cast)
    cast.entity.tax_code = "R3"
    invoice = make_draft(cast)
    line, bea = lines_of(invoice)[0], cast.actor(cast.bea)
    assert line.tax_percent == 3
    cast.acme.tax_code, cast.acme_work.tax_code = "R2", "R1"
    add_line(invoice, new_id(), "More", Decimal(10), by=bea)
    assert percents(invoice)[1][0] == 1
    cast.acme_work.tax_code = None
    add_line(invoice, new_id(), "Still more", Decimal(10), by=bea)
    assert percents(invoice)[2][0] == 2


def test_hours_of_one_rate_are_printed_as_hours_times_rate(session: Session, cast: Cast) -> None:
    make_rate("120")
    make_entry(cast, "1.5")
    make_entry(cast, "0.3")
    line = lines_of(make_draft(cast))[0]
    assert (line.quantity, line.unit, line.unit_price, line.net) == (
        Decimal("1.8"), LineUnit.HOUR, Decimal(120), Decimal(216)
    )  # fmt: skip


def test_what_is_not_hours_times_rate_is_once_its_net(session: Session, cast: Cast) -> None:
    make_rate("120")
    make_entry(cast, "1.5")
    invoice = make_draft(cast)
    change_line(invoice, lines_of(invoice)[0].id, LineChange(net=Decimal(150)), by=cast.actor(cast.bea))
    line = lines_of(invoice)[0]
    assert (line.quantity, line.unit, line.unit_price) == (Decimal(1), LineUnit.ONE, Decimal(150))


@pytest.mark.parametrize("change", [
    "quantity = 2", "unit_price = unit_price + 0.01", "net = net + 1", "allowance = 1", "charge = 1",
    "tax_category = 'E'", "decimals = 0, unit_price = 33.33, quantity = 1, net = 33.33",
])
def test_the_database_refuses_a_line_that_does_not_multiply(session: Session, cast: Cast, change: str) -> None:
    make_rate("100")
    make_entry(cast)
    make_draft(cast)
    with pytest.raises(IntegrityError), transaction():
        session.execute(sa.text(f"UPDATE invoice_line SET {change}"))


def test_the_usual_tax_is_one(session: Session, cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="uq_tax_code_default"), transaction():
        keep(TaxCode(code="X", treatment=TaxTreatment.ZERO, is_default=True))


def test_a_credit_note_says_which_lines_it_credits_and_no_more_than_they_charged(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    bea = cast.actor(cast.bea)
    invoice = approve_invoice(make_draft(cast), by=bea)
    note = credit_invoice(invoice, new_id(), "Wrong client", by=bea)
    line, mine = lines_of(invoice)[0], lines_of(note)[0]
    assert (mine.credited_line_id, mine.quantity, mine.unit, mine.supplied_on) == (
        line.id, line.quantity, line.unit, line.supplied_on
    )  # fmt: skip
    session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    again = {name: getattr(mine, name) for name in SAID} | {"position": 1, "kind": mine.kind, "description": "Again"}
    second = keep(Invoice(
        kind=InvoiceKind.CREDIT_NOTE, entity_id=note.entity_id, client_id=note.client_id, payer_id=note.payer_id,
        credits_id=invoice.id, currency="GBP",
    ))
    with pytest.raises(IntegrityError, match="more is credited"), transaction():
        keep(InvoiceLine(
            invoice_id=second.id, client_id=mine.client_id, engagement_id=mine.engagement_id,
            currency="GBP", credited_line_id=line.id, **again,
        ))


def test_a_line_cannot_be_taken_off_an_issued_bill_by_moving_it(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    make_entry(cast)
    draft = make_draft(cast)
    with pytest.raises(DBAPIError, match="never change"), transaction():
        session.execute(sa.update(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id).values(invoice_id=draft.id))


@pytest.mark.parametrize("column", ["allowance_reason", "prepaid", "until_on", "terms_days", "run_id", "approved_by"])
def test_nothing_that_an_issued_bill_says_can_change(session: Session, cast: Cast, column: str) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    value = {"allowance_reason": "x", "prepaid": 1, "until_on": in_days(3), "terms_days": 3}.get(column, new_id())
    with pytest.raises(DBAPIError, match="never changes"), transaction():
        session.execute(sa.update(Invoice).where(Invoice.id == invoice.id).values({column: value}))


@pytest.mark.parametrize("column", ["allowance", "charge", "prepaid"])
def test_a_bill_as_a_whole_has_no_allowance_charge_or_prepayment_while_its_totals_count_none(
    session: Session, cast: Cast, column: str
) -> None:
    """EN 16931, BR-CO-13 to 16: net, gross and what is to be paid would have to follow."""
    make_rate("100")
    make_entry(cast)
    draft = make_draft(cast)
    with pytest.raises(IntegrityError, match="ck_invoice_adjustments"), transaction():
        session.execute(sa.text(f"UPDATE invoice SET {column} = 1 WHERE id = :id"), {"id": draft.id})


def test_only_the_bill_as_a_whole_adds_up(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    for change in ("gross = gross + 1", "prepaid = gross + 1", "allowance = -1"):
        with pytest.raises(IntegrityError), transaction():
            session.execute(sa.text(f"UPDATE invoice SET {change}"))
    assert invoice.gross == invoice.net + invoice.tax
