"""What a bill does with an entry is in amounts: billed, written on or off, carried; an entry lies on many bills."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.billing.amounts import Spread
from app.billing.commands.adding import add_new_items
from app.billing.commands.adjust import adjust_total, plan_total
from app.billing.commands.credit import credit_invoice
from app.billing.commands.drafts import discard_draft
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, add_line, change_line, treat_item
from app.billing.commands.totals import lines_of
from app.billing.commands.wip import hold_items, take_back, transfer_items, write_off_items
from app.billing.models import Invoice, InvoiceItem, Rest, Treatment
from app.clients.models import Arrangement, ArrangementKind, Engagement
from app.core import clock
from app.core.db import db
from app.core.errors import NotFound, Refused
from app.core.ids import new_id
from app.core.proofs import run_proofs
from app.firm.models import Entity
from app.ledger.models import Account, Posting
from app.timekeeping.commands.entries import delete_entry
from app.timekeeping.commands.expenses import ExpenseFacts, record_expense
from app.timekeeping.commands.splits import split_entry
from app.timekeeping.models import ItemState, TimeEntry
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_engagement, sign_in
from tests.test_small_commands import told

Amounts = tuple[Decimal, Decimal, Decimal, Decimal]


@pytest.fixture(autouse=True)
def rate(cast: Cast) -> None:
    make_rate("100")
    make_rate("100", currency="JPY")


@pytest.fixture
def agreed(cast: Cast) -> Engagement:
    fixed = ArrangementKind.FIXED
    return make_engagement(cast.acme, cast.entity, "Accounts", kind=fixed, fee=Decimal(1000))


def fee_of(engagement: Engagement) -> Arrangement:
    return db.session.scalars(sa.select(Arrangement).where(Arrangement.engagement_id == engagement.id)).one()


def on(invoice: Invoice, entry: TimeEntry) -> Amounts:
    """Value, billed, written, carried of an entry on a bill."""
    row = db.session.get_one(InvoiceItem, (invoice.id, entry.id), populate_existing=True)
    return row.value, row.billed, row.written, row.carried


def of(entry: TimeEntry) -> tuple[ItemState, Decimal, Decimal, Decimal]:
    """State, open, written, billed of an entry."""
    db.session.refresh(entry)
    return entry.state, entry.open_value, entry.written, entry.billed


def lower(invoice: Invoice, net: str, rest: Rest | None, cast: Cast) -> None:
    change = LineChange(net=Decimal(net), rest=rest)
    change_line(invoice, lines_of(invoice)[0].id, change, by=cast.actor(cast.bea))


def nothing_found() -> bool:
    db.session.flush()
    return not [each for each in run_proofs("ledger.", "billing.", without="billing.pdfs") if each[1]]


def test_a_part_of_an_entry_is_billed_and_the_rest_comes_on_later_bills(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    first = make_draft(cast)
    treat_item(first, entry.id, Treatment.BILL, by=by, amount=Decimal(30), rest=Rest.CARRY)
    assert (first.net, on(first, entry)) == (30, (100, 30, 0, 70))
    approve_invoice(first, by=by)  # nothing is written off, so nobody is asked why
    assert of(entry) == (ItemState.OPEN, 70, 0, 30)
    second = make_draft(cast)
    treat_item(second, entry.id, Treatment.BILL, by=by, amount=Decimal(20), rest=Rest.CARRY)
    approve_invoice(second, by=by)
    third = make_draft(cast)
    assert on(third, entry) == (50, 50, 0, 0)
    approve_invoice(third, by=by)
    assert of(entry) == (ItemState.BILLED, 0, 0, 100)
    assert nothing_found()


def test_what_is_not_billed_is_written_off_only_with_a_reason(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    draft = make_draft(cast)
    treat_item(draft, entry.id, Treatment.BILL, by=by, amount=Decimal(30))
    assert on(draft, entry) == (100, 30, -70, 0)
    with pytest.raises(Refused, match="Say why"):
        approve_invoice(draft, by=by)
    approve_invoice(draft, by=by, reason="Agreed")
    assert of(entry) == (ItemState.BILLED, 0, -70, 30)
    assert nothing_found()


def test_a_lowered_line_writes_off_or_carries_as_it_is_told(cast: Cast) -> None:
    by, one, two = cast.actor(cast.bea), make_entry(cast), make_entry(cast, "3")
    draft = make_draft(cast)
    lower(draft, "300", None, cast)
    assert (on(draft, one), on(draft, two)) == ((100, 75, -25, 0), (300, 225, -75, 0))
    line = lines_of(draft)[0]
    change_line(draft, line.id, LineChange(rest=Rest.CARRY), by=by)
    assert (on(draft, one), on(draft, two)) == ((100, 75, 0, 25), (300, 225, 0, 75))
    lower(draft, "500", None, cast)
    assert (on(draft, one), on(draft, two)) == ((100, 125, 25, 0), (300, 375, 75, 0))


def test_a_lowered_total_carries_when_it_is_told_so(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    draft = make_draft(cast)
    plan = plan_total(draft, Decimal(60), Spread.PRO_RATA, rest=Rest.CARRY)
    assert (plan.written, plan.carried, plan.realisation) == (0, 40, 100)
    adjust_total(draft, Decimal(60), by=by, rest=Rest.CARRY)
    assert on(draft, entry) == (100, 60, 0, 40)
    adjust_total(draft, Decimal(60), by=by, rest=Rest.WRITE_OFF, reason="Agreed")
    assert told("billing.invoice.adjust") == 2
    assert on(draft, entry) == (100, 60, -40, 0)


def test_a_lowered_fee_asks_whether_it_is_a_rebate_or_a_part_bill(cast: Cast, agreed: Engagement) -> None:
    make_entry(cast, "2", engagement=agreed)
    draft = make_draft(cast, agreed)
    db.session.commit()
    with pytest.raises(Refused, match="a rebate, which is never billed again, or comes on a later bill") as refusal:
        lower(draft, "400", None, cast)
    assert refusal.value.field == "rest"
    with pytest.raises(Refused, match="a rebate"):
        adjust_total(draft, Decimal(400), by=cast.actor(cast.bea))
    with pytest.raises(Refused, match="how much of the fee is billed now"):
        change_line(draft, lines_of(draft)[0].id, LineChange(rest=Rest.CARRY), by=cast.actor(cast.bea))


def test_a_rebate_needs_a_reason_and_never_comes_again(cast: Cast, agreed: Engagement) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast, "2", engagement=agreed)
    draft = make_draft(cast, agreed)
    lower(draft, "400", Rest.WRITE_OFF, cast)
    line = lines_of(draft)[0]
    assert (line.net, line.drawn, fee_of(agreed).left) == (400, 1000, 0)
    assert on(draft, entry) == (200, 400, 200, 0)
    db.session.commit()
    with pytest.raises(Refused, match="Say why"):
        approve_invoice(draft, by=by)
    approve_invoice(draft, by=by, reason="Goodwill")
    make_entry(cast, "1", engagement=agreed)
    with pytest.raises(Refused, match="billed in full"):
        make_draft(cast, agreed)
    assert nothing_found()


def test_a_part_bill_leaves_the_rest_of_fee_and_time_for_a_later_bill(cast: Cast, agreed: Engagement) -> None:
    by, one = cast.actor(cast.bea), make_entry(cast, "6", engagement=agreed)
    two = make_entry(cast, "2", engagement=agreed)
    first = make_draft(cast, agreed)
    lower(first, "400", Rest.CARRY, cast)
    assert (lines_of(first)[0].drawn, fee_of(agreed).left) == (400, 600)
    assert (on(first, one), on(first, two)) == ((600, 300, 0, 300), (200, 100, 0, 100))
    approve_invoice(first, by=by)  # nothing is given up, so nobody is asked why
    third = make_entry(cast, "6", engagement=agreed)
    second = make_draft(cast, agreed)
    assert second.net == 600
    assert [on(second, each) for each in (one, two, third)] == [
        (300, 180, -120, 0), (100, 60, -40, 0), (600, 360, -240, 0),
    ]  # fmt: skip
    approve_invoice(second, by=by)
    assert fee_of(agreed).left == 0
    assert sum(of(each)[3] for each in (one, two, third)) == 1000
    assert {of(each)[0] for each in (one, two, third)} == {ItemState.BILLED}
    assert nothing_found()


def test_a_part_bill_above_the_value_of_the_time_writes_on(cast: Cast, agreed: Engagement) -> None:
    entry = make_entry(cast, "1", engagement=agreed)
    draft = make_draft(cast, agreed)
    lower(draft, "400", Rest.CARRY, cast)
    assert on(draft, entry) == (100, 400, 300, 0)


def test_time_added_to_a_part_bill_is_spread_by_its_rule(cast: Cast, agreed: Engagement) -> None:
    by, one = cast.actor(cast.bea), make_entry(cast, "6", engagement=agreed)
    draft = make_draft(cast, agreed)
    lower(draft, "400", Rest.CARRY, cast)
    two = make_entry(cast, "2", engagement=agreed)
    assert add_new_items(draft, clock.today(), by=by) == 1
    assert draft.net == 400
    assert (on(draft, one), on(draft, two)) == ((600, 300, 0, 300), (200, 100, 0, 100))
    treat_item(draft, two.id, Treatment.LATER, by=by)
    assert (on(draft, one), on(draft, two)) == ((600, 400, 0, 200), (200, 0, 0, 200))


def test_time_added_to_an_adjusted_line_by_the_hour_keeps_what_was_set(cast: Cast) -> None:
    by, one = cast.actor(cast.bea), make_entry(cast)
    draft = make_draft(cast)
    lower(draft, "80", Rest.CARRY, cast)
    two = make_entry(cast, "2")
    add_new_items(draft, clock.today(), by=by)
    assert (draft.net, on(draft, one), on(draft, two)) == (280, (100, 80, 0, 20), (200, 200, 0, 0))


@pytest.mark.parametrize("left", [Treatment.WRITE_OFF, Treatment.LATER])
def test_a_line_of_which_no_entry_is_billed_charges_nothing(cast: Cast, left: Treatment) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    spend = ExpenseFacts(
        engagement_id=cast.acme_work.id, spent_on=clock.today(), net=Decimal(40), mark_up_percent=Decimal(0),
        narrative="Fares",
    )  # fmt: skip
    record_expense(new_id(), spend, by=by)
    draft = make_draft(cast)
    time, fares = (line.id for line in lines_of(draft))
    treat_item(draft, entry.id, left, by=by)
    with pytest.raises(Refused, match="Nothing on this line is billed"):
        change_line(draft, time, LineChange(net=Decimal(50)), by=by)
    with pytest.raises(Refused, match="comes to 40.00"):  # the fares keep their amount, and nothing else can take it
        adjust_total(draft, Decimal(30), by=by, reason="Agreed")
    treat_item(draft, entry.id, Treatment.BILL, by=by)
    assert {line.id: line.net for line in lines_of(draft)} == {time: 100, fares: 40}
    treat_item(draft, entry.id, left, by=by)
    change_line(draft, fares, LineChange(net=Decimal(0), rest=Rest.CARRY), by=by)
    make_entry(cast)
    add_new_items(draft, clock.today(), by=by)
    assert {line.id: line.net for line in lines_of(draft)} == {time: 100, fares: 0}
    assert nothing_found()


def test_a_total_falls_only_on_lines_that_bill_an_entry(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    draft = make_draft(cast)
    add_line(draft, new_id(), "Agreed beside it", Decimal(0), by=by)
    treat_item(draft, entry.id, Treatment.WRITE_OFF, by=by)
    adjust_total(draft, Decimal(60), by=by, reason="Agreed")
    assert [line.net for line in lines_of(draft)] == [0, 60]
    treat_item(draft, entry.id, Treatment.BILL, by=by)
    assert [line.net for line in lines_of(draft)] == [100, 60]
    assert nothing_found()


def test_a_bill_is_not_issued_with_a_line_that_is_not_what_is_billed_of_its_entries(
    cast: Cast, session: Session
) -> None:
    """As a draft of an older release may hold; by a sentence, by the database's word, and by `verify`."""
    make_entry(cast)
    draft = make_draft(cast)
    session.execute(sa.text("UPDATE invoice_line SET net = 150, unit_price = 150, quantity = 1, tax = 30"))
    session.commit()
    with pytest.raises(Refused, match="is not what is billed of its entries"):
        approve_invoice(draft, by=cast.actor(cast.bea))
    assert [each.subject for name, found in run_proofs() if name == "billing.items_of_bills" for each in found] == [
        f"line {lines_of(draft)[0].id} of a draft"
    ]
    with pytest.raises(IntegrityError, match="invoice_line_as_its_items|not what is billed"), session.begin_nested():
        session.execute(sa.text("UPDATE invoice_item SET issued = true"))
        session.execute(sa.text(
            "UPDATE invoice SET number = 'X1', state = 'approved', issued_on = current_date, due_on = current_date"
        ))
        session.execute(sa.text("UPDATE time_entry SET billed = 100, open_value = 0, state = 'billed'"))
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


def test_more_than_the_fee_is_a_surcharge_with_a_reason(cast: Cast, agreed: Engagement) -> None:
    by = cast.actor(cast.bea)
    draft = make_draft(cast, agreed)
    lower(draft, "1200", None, cast)
    assert (lines_of(draft)[0].drawn, fee_of(agreed).left) == (1000, 0)
    db.session.commit()
    with pytest.raises(Refused, match="Say why"):
        approve_invoice(draft, by=by)
    assert approve_invoice(draft, by=by, reason="Agreed by telephone").net == 1200


def test_crediting_gives_back_to_the_penny_though_another_bill_took_the_rest(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    first = make_draft(cast)
    treat_item(first, entry.id, Treatment.BILL, by=by, amount=Decimal("33.33"), rest=Rest.CARRY)
    approve_invoice(first, by=by)
    second = make_draft(cast)
    treat_item(second, entry.id, Treatment.BILL, by=by, amount=Decimal("50.55"))
    approve_invoice(second, by=by, reason="Agreed")
    assert of(entry) == (ItemState.BILLED, 0, Decimal("-16.12"), Decimal("83.88"))
    credit_invoice(first, new_id(), "Wrong", by=by)
    assert of(entry) == (ItemState.OPEN, Decimal("33.33"), Decimal("-16.12"), Decimal("50.55"))
    assert nothing_found()
    credit_invoice(second, new_id(), "Wrong too", by=by)
    assert of(entry) == (ItemState.OPEN, 100, 0, 0)
    assert nothing_found()


@pytest.mark.parametrize(("treatment", "expected"), [
    (Treatment.BILL, (100, 60, 0, 40)), (Treatment.WRITE_OFF, (100, 0, 0, 100)),
])
def test_what_comes_back_to_an_entry_on_a_draft_is_left_for_later_there(
    cast: Cast, treatment: Treatment, expected: Amounts
) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    first = make_draft(cast)
    treat_item(first, entry.id, Treatment.BILL, by=by, amount=Decimal(40), rest=Rest.CARRY)
    approve_invoice(first, by=by)
    make_entry(cast, "2")
    second = make_draft(cast)
    treat_item(second, entry.id, treatment, by=by)
    net = second.net
    credit_invoice(first, new_id(), "Wrong", by=by)
    assert (second.net, on(second, entry)) == (net, expected)
    assert nothing_found()
    approve_invoice(second, by=by, reason="Agreed")
    assert of(entry)[:2] == (ItemState.OPEN, 40 if treatment is Treatment.BILL else 100)
    assert nothing_found()


def test_what_stands_on_a_bill_in_part_moves_no_more_but_can_be_held_or_written_off(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    other = make_engagement(cast.acme, cast.entity, "More")
    draft = make_draft(cast)
    treat_item(draft, entry.id, Treatment.BILL, by=by, amount=Decimal(40), rest=Rest.CARRY)
    bill = approve_invoice(draft, by=by)
    db.session.commit()
    with pytest.raises(Refused, match=f"Part of it is on {bill.number}"):
        transfer_items([entry.id], other.id, "Wrong", by=by)
    with pytest.raises(Refused, match="Part of it is on"):
        delete_entry(entry, by=cast.actor(cast.sam))
    hold_items([entry.id], "Dispute", by=by)
    credit_invoice(bill, new_id(), "Wrong", by=by)
    assert of(entry)[:2] == (ItemState.HELD, 100)
    transfer_items([entry.id], other.id, "Wrong", by=by)
    write_off_items([entry.id], "Agreed", by=by)
    assert nothing_found()


@pytest.mark.parametrize("way", ["taken back", "divided"])
def test_what_was_written_off_before_a_move_to_another_entity_comes_back_in_that_ones_books(
    cast: Cast, way: str
) -> None:
    branch = keep(Entity(name="Dublin Ltd", country="IE", currency="GBP"))
    other = make_engagement(cast.acme, branch, "Of the branch")
    by, entry = cast.actor(cast.bea), make_entry(cast)
    write_off_items([entry.id], "Too much", by=by, percent=Decimal(30))
    transfer_items([entry.id], other.id, "Wrong entity", by=by)
    if way == "taken back":
        take_back([entry.id], "Agreed after all", by=by)
    else:
        split_entry(entry, new_id(), dt.timedelta(minutes=30), by=cast.actor(cast.sam))
    db.session.commit()
    wip = sa.select(Posting.entity_id, sa.func.sum(Posting.amount)).where(Posting.account == Account.WIP)
    stands = {row[0]: row[1] for row in db.session.execute(wip.group_by(Posting.entity_id))}
    assert stands == {cast.entity.id: 0, branch.id: 100 if way == "taken back" else 70}
    assert nothing_found()


def test_a_fee_is_billed_as_a_whole(cast: Cast, agreed: Engagement) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast, engagement=agreed)
    draft = make_draft(cast, agreed)
    with pytest.raises(Refused, match="change the amount of its line") as refusal:
        treat_item(draft, entry.id, Treatment.BILL, by=by, amount=Decimal(5))
    assert refusal.value.field == "amount"


def test_an_amount_is_in_whole_units_and_not_below_nothing(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    draft = make_draft(cast)
    db.session.commit()
    for amount in ("-1", "10.005"):
        with pytest.raises(Refused) as refusal:
            treat_item(draft, entry.id, Treatment.BILL, by=by, amount=Decimal(amount))
        assert refusal.value.field == "amount"


def test_an_entry_left_for_later_and_moved_is_billed_where_it_is_now_alone(cast: Cast) -> None:
    """A draft of One left it for later; it now belongs to Two, in another currency: One is never billed for it."""
    by, entry, kept = cast.actor(cast.bea), make_entry(cast), make_entry(cast, "2")
    theirs = make_engagement(cast.rival, cast.entity, "Theirs")
    draft = make_draft(cast)
    treat_item(draft, entry.id, Treatment.LATER, by=by)
    transfer_items([entry.id], theirs.id, "Wrong matter", by=by)
    db.session.commit()
    with pytest.raises(Refused, match="not on this draft any more"):
        treat_item(draft, entry.id, Treatment.BILL, by=by)
    with pytest.raises(NotFound):
        treat_item(draft, new_id(), Treatment.BILL, by=by)
    assert approve_invoice(draft, by=by).net == 200
    assert make_draft(cast, theirs).net == 100
    assert of(kept)[0] is ItemState.BILLED
    assert nothing_found()


@pytest.mark.parametrize("what", ["engagement", "currency", "value", "state", "billed"])
def test_the_database_ties_an_item_to_its_line_and_its_entry(cast: Cast, session: Session, what: str) -> None:
    entry = make_entry(cast)
    other = make_engagement(cast.acme, cast.entity, "More")
    yen = make_engagement(cast.acme, cast.entity, "Tokyo", currency="JPY")
    make_draft(cast)
    session.flush()
    statement, said = {
        "engagement": ("UPDATE time_entry SET engagement_id = :other WHERE id = :entry", "is not of the client"),
        "currency": ("UPDATE invoice_item SET currency = 'JPY', engagement_id = :yen", "fk_invoice_item_line"),
        "value": ("UPDATE time_entry SET value = 90, open_value = 90 WHERE id = :entry", "not what its draft took"),
        "state": ("UPDATE time_entry SET state = 'open' WHERE id = :entry", "is open and on 1 drafts"),
        "billed": ("UPDATE time_entry SET billed = 10, open_value = 90 WHERE id = :entry", "its bills say 0"),
    }[what]
    with pytest.raises(IntegrityError, match=said), session.begin_nested():
        session.execute(sa.text(statement), {"entry": entry.id, "other": other.id, "yen": yen.id})
        session.execute(sa.text("SET CONSTRAINTS ALL IMMEDIATE"))
    session.execute(sa.text("SET CONSTRAINTS ALL DEFERRED"))


@pytest.mark.parametrize("amounts", [
    "billed = 90", "written = 10", "carried = 10, billed = 91", "billed = -1, carried = 101",
    "carried = 110, billed = 0, written = 10",
])
def test_the_amounts_of_an_item_add_up_by_the_databases_word(cast: Cast, session: Session, amounts: str) -> None:
    make_entry(cast)
    make_draft(cast)
    with pytest.raises(IntegrityError, match="ck_invoice_item"), session.begin_nested():
        session.execute(sa.text(f"UPDATE invoice_item SET {amounts}"))


def test_what_was_issued_of_an_entry_never_changes(cast: Cast, session: Session) -> None:
    make_entry(cast)
    approve_invoice(make_draft(cast), by=cast.actor(cast.bea))
    for act in ("UPDATE invoice_item SET billed = 90, written = -10", "UPDATE invoice_item SET live = NOT live, "
                "value = 1", "DELETE FROM invoice_item"):
        with pytest.raises(IntegrityError, match="issued and never changes"), session.begin_nested():
            session.execute(sa.text(act))


def test_an_entry_is_on_one_draft_at_a_time(cast: Cast, session: Session) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    make_entry(cast)
    first = make_draft(cast)
    treat_item(first, entry.id, Treatment.LATER, by=by)
    second = make_draft(cast)
    db.session.commit()
    with pytest.raises(Refused, match="on another bill"):
        treat_item(first, entry.id, Treatment.BILL, by=by)
    discard_draft(second, by=by)
    treat_item(first, entry.id, Treatment.BILL, by=by)
    assert on(first, entry) == (100, 100, 0, 0)


def test_a_whole_carried_entry_is_no_part_of_the_bill(cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    make_entry(cast)
    draft = make_draft(cast)
    treat_item(draft, entry.id, Treatment.BILL, by=by, amount=Decimal(0), rest=Rest.CARRY)
    bill = approve_invoice(draft, by=by)
    assert of(entry) == (ItemState.OPEN, 100, 0, 0)
    assert db.session.get(InvoiceItem, (bill.id, entry.id)) is None
    delete_entry(entry, by=cast.actor(cast.sam))
    assert nothing_found()


def test_the_page_of_a_draft_asks_and_shows_what_becomes_of_the_rest(
    client: FlaskClient, cast: Cast, agreed: Engagement
) -> None:
    entry = make_entry(cast)
    make_entry(cast, "2", engagement=agreed)
    draft = make_draft(cast, cast.acme_work, agreed)
    at = f"/billing/invoices/{draft.id}"
    fee, hourly = sorted(lines_of(draft), key=lambda line: line.kind != "fixed")
    db.session.commit()
    sign_in(client, cast.bea)
    form = {"description": "Accounts", "net": "400", "tax_code": fee.tax_code, "was_net": "1,000.00", "rest": ""}
    asked = client.post(f"{at}/lines/{fee.id}", data=form)
    assert asked.status_code == 422 and "a rebate, which is never billed again" in asked.text
    assert 'value="400"' in asked.text and f'id="rest-{fee.id}-error"' in asked.text
    assert client.post(f"{at}/lines/{fee.id}", data=form | {"rest": "carry"}).status_code == 303
    page = client.get(at).text
    assert "600.00 of 1,000.00 is left for later bills" in page
    less = {"total": "200", "spread": "pro_rata"}
    shown = client.get(f"{at}/adjustment", query_string=less | {"rest": "write_off"}).text
    assert "Rebate on the fee" in shown and "Written off" in shown
    shown = client.get(f"{at}/adjustment", query_string=less | {"rest": "carry"}).text
    assert "Rebate on the fee" not in shown and "Left for later" in shown
    part = {"line": str(hourly.id), "treatment": "part_carry", "amount": "100.00", "was_amount": "100.00", "whole": "1"}
    said = client.post(f"{at}/items/{entry.id}/treatment", data=part)
    assert said.status_code == 422 and "Write first how much of it is billed" in said.text
    wrong = client.post(f"{at}/items/{entry.id}/treatment", data=part | {"amount": "much"})
    assert wrong.status_code == 422 and 'value="much"' in wrong.text
    assert client.post(f"{at}/items/{entry.id}/treatment", data=part | {"amount": "30"}).status_code == 303
    page = client.get(at, query_string={"open": str(hourly.id)}).text
    assert "70.00 later" in page and "Part, rest later" in page
    again = {"line": str(hourly.id), "treatment": "bill", "amount": "30.00", "was_amount": "30.00"}
    assert client.post(f"{at}/items/{entry.id}/treatment", data=again).status_code == 303
    assert on(draft, entry) == (100, 100, 0, 0)
    typed = {"line": str(hourly.id), "treatment": "bill", "amount": "30", "was_amount": "100.00", "whole": "1"}
    assert client.post(f"{at}/items/{entry.id}/treatment", data=typed).status_code == 303
    assert on(draft, entry) == (100, 30, -70, 0)
    assert "Why it is not what the time is worth" in client.get(at).text
    words = client.get(f"/timeline/invoice/{draft.id}").text
    assert "30.00 GBP of an entry worth 100.00 GBP" in words and "the rest to come on a later bill" in words


def test_a_corrected_word_leaves_what_was_said_of_single_entries(client: FlaskClient, cast: Cast) -> None:
    by, entry = cast.actor(cast.bea), make_entry(cast)
    draft = make_draft(cast)
    treat_item(draft, entry.id, Treatment.BILL, by=by, amount=Decimal(40), rest=Rest.CARRY)
    line = lines_of(draft)[0]
    db.session.commit()
    sign_in(client, cast.bea)
    form = {"description": "Better words", "was_description": line.description, "net": "40.00", "was_net": "40.00",
            "tax_code": line.tax_code, "was_tax_code": line.tax_code, "rest": "write_off", "was_rest": "write_off"}
    assert client.post(f"/billing/invoices/{draft.id}/lines/{line.id}", data=form).status_code == 303
    assert on(draft, entry) == (100, 40, 0, 60)
