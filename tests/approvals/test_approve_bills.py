"""A bill above the limit of whoever would issue it is asked for, and issued by somebody who may."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.approvals.commands import Outdated, decline_approval, withdraw_approval
from app.approvals.kinds import meaning_of
from app.approvals.models import Approval, Decision
from app.approvals.queries import approvers_of, get_approval, list_asked, list_to_decide
from app.billing.commands.drafts import discard_draft, submit_for_approval
from app.billing.commands.issue import approve_invoice
from app.billing.commands.lines import LineChange, change_line
from app.billing.commands.runs import start_bill_run
from app.billing.models import Invoice, InvoiceLine, InvoiceState, Rest
from app.clients.models import ArrangementKind, Wall
from app.core import clock
from app.core.db import db, transaction
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.core.permissions import Role
from app.ledger.models import ExchangeRate
from app.runs.background import work
from app.runs.models import RunItem
from tests.approvals.make_approvals import WRITE_OFF, found_by, limit
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, keep, make_engagement, make_person, sign_in


@pytest.fixture
def draft(session: Session, cast: Cast) -> Invoice:
    """A draft of Bea's over 1,000 net, 1,200 with tax."""
    make_rate("100")
    make_entry(cast, "10")
    return make_draft(cast)


def approvals(draft: Invoice) -> list[Approval]:
    found = sa.select(Approval).where(Approval.subject_id == draft.id).order_by(Approval.asked_at, Approval.id)
    return list(db.session.scalars(found))


def pending(draft: Invoice) -> Approval:
    [one] = [each for each in approvals(draft) if each.decision is Decision.PENDING]
    return one


def test_within_the_limit_it_is_issued_and_the_row_says_by_whom_and_by_which_limit(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "1200")
    assert approve_invoice(draft, by=cast.actor(cast.bea)).number
    [one] = approvals(draft)
    assert (one.decision, one.amount, one.limit_amount) == (Decision.APPROVED, 1200, 1200)
    assert one.asked_by == one.decided_by == cast.bea.id and not one.second_person
    assert found_by("approvals", "billing.approvals") == []


def test_above_the_limit_it_is_asked_for_and_somebody_else_gives_the_number(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "1199.99")
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    assert approve_invoice(draft, by=bea).number is None
    assert draft.state is InvoiceState.AWAITING
    one = pending(draft)
    assert one.second_person and (one.amount, one.asked_by) == (1200, cast.bea.id)
    assert [person.name for person in approvers_of(one.id)] == ["Pat"]
    assert list(list_to_decide(seen_by=pat)[0]) == [one] and not list_to_decide(seen_by=bea)[0]
    assert list(list_asked(seen_by=bea)[0]) == [one] and not list_asked(seen_by=pat)[0]
    assert approve_invoice(draft, by=pat).number
    assert (one.decision, one.decided_by, one.limit_amount) == (Decision.APPROVED, cast.pat.id, None)
    assert found_by("approvals", "billing.approvals") == []


def test_asking_twice_asks_once_and_whoever_asked_does_not_decide(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    approve_invoice(draft, by=cast.actor(cast.bea))
    approve_invoice(draft, by=cast.actor(cast.bea))
    one = pending(draft)
    limit(cast, Role.BILLING, None)
    with pytest.raises(Refused, match="somebody else has to approve it"):
        approve_invoice(draft, by=cast.actor(cast.bea))
    assert pending(draft) is one and draft.number is None


def test_two_who_approve_one_after_the_other_issue_it_once(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    approve_invoice(draft, by=cast.actor(cast.bea))
    other = make_person("Paula", Role.PARTNER, cast.office)
    number = approve_invoice(draft, by=cast.actor(cast.pat)).number
    assert approve_invoice(draft, by=cast.actor(other)).number == number
    assert pending_or_decided(draft) == [(Decision.APPROVED, cast.pat.id)]


def pending_or_decided(draft: Invoice) -> list[tuple[Decision, object]]:
    return [(each.decision, each.decided_by) for each in approvals(draft)]


def test_what_changed_since_it_was_asked_for_is_refused_with_both_and_asked_for_again(
    draft: Invoice, cast: Cast
) -> None:
    limit(cast, Role.BILLING, "100")
    bea, pat = cast.actor(cast.bea), cast.actor(cast.pat)
    approve_invoice(draft, by=bea)
    change = LineChange(description="Advice on the lease", net=Decimal(1500), rest=Rest.WRITE_OFF)
    [line] = db.session.scalars(sa.select(InvoiceLine).where(InvoiceLine.invoice_id == draft.id))
    change_line(draft, line.id, change, by=bea)
    with pytest.raises(Outdated, match=r"total 1,200\.00 GBP → 1,800\.00 GBP"):
        approve_invoice(draft, by=pat, reason="Agreed")
    assert draft.number is None and pending_or_decided(draft) == [(Decision.WITHDRAWN, cast.pat.id)]
    approve_invoice(draft, by=bea, reason="Agreed")
    assert pending(draft).amount == 1800
    assert approve_invoice(draft, by=pat).gross == 1800


def test_a_request_that_was_withdrawn_issues_nothing(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    approve_invoice(draft, by=cast.actor(cast.bea))
    one = pending(draft)
    with pytest.raises(NotAllowed):
        withdraw_approval(one, by=cast.actor(cast.pat))
    withdraw_approval(one, by=cast.actor(cast.bea))
    withdraw_approval(one, by=cast.actor(cast.bea))
    assert draft.state is InvoiceState.DRAFT
    with pytest.raises(Refused, match="Nobody asks"):
        meaning_of(one.kind).approve(one, cast.actor(cast.pat))
    assert draft.number is None


def test_declining_needs_a_word_and_leaves_the_draft_as_it_was(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    approve_invoice(draft, by=cast.actor(cast.bea))
    one, before = pending(draft), (draft.net, draft.gross, len(approvals(draft)))
    with pytest.raises(Refused, match="Say why"):
        decline_approval(one, " ", by=cast.actor(cast.pat))
    decline_approval(one, "Wait for the closing", by=cast.actor(cast.pat))
    decline_approval(one, "Again", by=cast.actor(cast.pat))
    assert (one.decision, one.word) == (Decision.DECLINED, "Wait for the closing")
    assert draft.state is InvoiceState.DRAFT and (draft.net, draft.gross, len(approvals(draft))) == before
    with pytest.raises(Refused, match="declined by now"):
        withdraw_approval(one, by=cast.actor(cast.bea))


def test_what_it_gives_up_counts_before_the_limit_for_write_offs(draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "300", WRITE_OFF)
    bea = cast.actor(cast.bea)
    [line] = db.session.execute(sa.text("SELECT id FROM invoice_line WHERE invoice_id = :id"), {"id": draft.id})
    words = "Advice"
    change_line(draft, line.id, LineChange(description=words, net=Decimal(600), rest=Rest.WRITE_OFF), by=bea)
    assert approve_invoice(draft, by=bea, reason="Agreed").number is None
    assert (pending(draft).written_off, pending(draft).written_off_limit) == (400, 300)
    change_line(draft, line.id, LineChange(description=words, net=Decimal(700), rest=Rest.WRITE_OFF), by=bea)
    with pytest.raises(Outdated):
        approve_invoice(draft, by=bea)
    assert approve_invoice(draft, by=bea).number


def test_a_rebate_on_a_fee_counts_and_the_time_under_the_fee_does_not(session: Session, cast: Cast) -> None:
    make_rate("100")
    limit(cast, Role.BILLING, "50", WRITE_OFF)
    agreed = make_engagement(cast.acme, cast.entity, kind=ArrangementKind.FIXED, fee=Decimal(1000))
    make_entry(cast, "20", engagement=agreed)
    bill = make_draft(cast, agreed)
    bea = cast.actor(cast.bea)
    [line] = db.session.execute(sa.text("SELECT id FROM invoice_line WHERE invoice_id = :id"), {"id": bill.id})
    change_line(bill, line.id, LineChange(description="Fee", net=Decimal(900), rest=Rest.WRITE_OFF), by=bea)
    assert approve_invoice(bill, by=bea, reason="Goodwill").number is None
    assert pending(bill).written_off == 100
    change_line(bill, line.id, LineChange(description="Fee", net=Decimal(950), rest=Rest.WRITE_OFF), by=bea)
    with pytest.raises(Outdated):
        approve_invoice(bill, by=bea)
    assert approve_invoice(bill, by=bea).number


def test_a_manager_who_may_not_approve_asks_and_sees_what_became_of_it(draft: Invoice, cast: Cast) -> None:
    mel = cast.actor(cast.mel)
    submit_for_approval(draft, by=mel)
    submit_for_approval(draft, by=mel)
    one = pending(draft)
    assert one.second_person and one.asked_by == cast.mel.id
    with pytest.raises(NotAllowed):
        approve_invoice(draft, by=mel)
    db.session.expire_all()
    assert approve_invoice(draft, by=cast.actor(cast.bea)).number  # nothing was changed in between
    assert [each.decision for each in list_asked(seen_by=mel)[0]] == [Decision.APPROVED]


def test_a_draft_that_is_taken_apart_is_asked_for_no_more(draft: Invoice, cast: Cast) -> None:
    submit_for_approval(draft, by=cast.actor(cast.mel))
    draft_id = draft.id
    discard_draft(draft, by=cast.actor(cast.mel))
    [one] = db.session.scalars(sa.select(Approval).where(Approval.subject_id == draft_id))
    assert one.decision is Decision.WITHDRAWN


def test_a_bill_in_a_currency_without_a_rate_needs_somebody_without_a_limit(session: Session, cast: Cast) -> None:
    keep(ExchangeRate(currency="EUR", base="GBP", rate=Decimal("0.5"), from_on=dt.date(2020, 1, 1)))
    make_rate("100", currency="EUR")
    abroad = make_engagement(cast.acme, cast.entity, currency="EUR")
    make_entry(cast, "10", engagement=abroad)
    bill = make_draft(cast, abroad)
    limit(cast, Role.BILLING, "600")
    limit(cast, Role.MANAGER, "1")
    session.execute(sa.text("UPDATE exchange_rate SET withdrawn_at = now()"))
    session.expire_all()
    approve_invoice(bill, by=cast.actor(cast.bea))
    assert pending(bill).base_amount is None and [person.name for person in approvers_of(pending(bill).id)] == ["Pat"]
    keep(ExchangeRate(currency="EUR", base="GBP", rate=Decimal("0.5"), from_on=dt.date(2020, 1, 1)))
    assert approve_invoice(bill, by=cast.actor(cast.pat)).number
    assert approvals(bill)[0].base_amount == 600


def test_a_bill_run_issues_what_the_limit_allows_and_asks_for_the_rest(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast, "2")
    make_entry(cast, "20", engagement=cast.rival_work)
    limit(cast, Role.BILLING, "500")
    run = start_bill_run(new_id(), clock.today(), by=cast.actor(cast.bea), approve=True)
    work(str(run.id))
    bills = {bill.client_id: bill for bill in session.scalars(sa.select(Invoice))}
    assert bills[cast.acme.id].number and bills[cast.rival.id].number is None
    assert pending(bills[cast.rival.id]).asked_by == cast.bea.id
    said = [item.result["title"] for item in session.scalars(sa.select(RunItem)) if item.result]
    assert any("approval asked for" in words for words in said)


def test_a_wall_and_a_contact_see_no_request(session: Session, cast: Cast) -> None:
    make_rate("100")
    make_entry(cast, "10", engagement=cast.rival_work)
    bill = make_draft(cast, cast.rival_work)
    limit(cast, Role.BILLING, "1")
    approve_invoice(bill, by=cast.actor(cast.bea))
    one = pending(bill)
    with transaction():
        walled = make_person("Paula", Role.PARTNER, cast.office)
        keep(Wall(person_id=walled.id, client_id=cast.rival.id, reason="Family", created_at=clock.now()))
    assert [person.name for person in approvers_of(one.id)] == ["Pat"]
    for actor in (cast.actor(walled), cast.contact(cast.otto)):
        with pytest.raises(NotFound):
            get_approval(one.id, seen_by=actor)
        with pytest.raises((NotAllowed, Refused)):
            decline_approval(one, "No", by=actor)
    assert not list_to_decide(seen_by=cast.actor(walled))[0]
    with pytest.raises(NotFound):
        list_to_decide(seen_by=cast.contact(cast.otto))


def test_the_database_holds_second_person_limit_and_decision(draft: Invoice, cast: Cast, session: Session) -> None:
    limit(cast, Role.BILLING, "100")
    approve_invoice(draft, by=cast.actor(cast.bea))
    refused = [
        f"UPDATE approval SET decision = 'approved', limit_amount = NULL, decided_by = '{cast.bea.id}', "
        "decided_at = now()",
        f"UPDATE approval SET decision = 'approved', decided_by = '{cast.pat.id}', decided_at = now()",
        "UPDATE approval SET amount = 1",
        "DELETE FROM approval",
    ]
    for statement in refused:
        with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
            session.execute(sa.text(statement))
    approve_invoice(draft, by=cast.actor(cast.pat))
    with pytest.raises(sa.exc.IntegrityError), session.begin_nested():
        session.execute(sa.text("UPDATE approval SET word = 'changed'"))


def test_the_pages_ask_show_approve_and_say_why_not(client: FlaskClient, draft: Invoice, cast: Cast) -> None:
    limit(cast, Role.BILLING, "100")
    bea = sign_in(client, cast.bea)
    page = bea.get(f"/billing/invoices/{draft.id}").get_data(as_text=True)
    assert "your limit is 100.00" in page and "Approve and send" not in page
    bea.post(f"/billing/invoices/{draft.id}/approval", data={})
    assert "Bill" in bea.get("/billing/approvals?show=asked").get_data(as_text=True)
    one = pending(draft)
    mine = bea.get(f"/billing/approvals/{one.id}").get_data(as_text=True)
    assert "Withdraw the request" in mine and "Approve and give the number" not in mine
    assert bea.post(f"/billing/approvals/{one.id}/approval").status_code == 422
    pat = sign_in(client, cast.pat)
    assert str(one.id) in pat.get("/billing/approvals").get_data(as_text=True)
    assert "asked for the approval" in pat.get(f"/billing/invoices/{draft.id}").get_data(as_text=True)
    no_word = pat.post(f"/billing/approvals/{one.id}/declination", data={"word": ""})
    assert no_word.status_code == 422 and "Say why" in no_word.get_data(as_text=True)
    assert pat.post(f"/billing/approvals/{one.id}/approval").status_code == 303
    db.session.expire_all()
    assert db.session.get_one(Invoice, draft.id).number
    assert "Nothing waits" in pat.get("/billing/approvals").get_data(as_text=True)
