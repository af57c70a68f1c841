"""Two inner acts of billing: what one gave up in a day, and one client's draft of a bill run."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest
import sqlalchemy as sa

from app.approvals.models import Approval, Decision
from app.billing.commands.drafts import return_to_draft, submit_for_approval
from app.billing.commands.giving_up import given_up_today
from app.billing.commands.issue import approve_invoice
from app.billing.commands.runs import draft_one, start_bill_run
from app.billing.commands.send import mark_sent
from app.billing.commands.wip import write_off_items
from app.billing.models import Invoice, InvoiceState
from app.core import clock
from app.core.actors import SYSTEM
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, Refused
from app.core.ids import new_id
from app.runs.commands import Skip
from app.runs.models import Run, RunItem
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, count, kept_from, not_for
from tests.test_small_commands import told


def one_item(cast: Cast, **values: bool) -> tuple[Run, RunItem]:
    """Of a run over all that is open: Acme's one hour."""
    make_rate("100")
    make_entry(cast)
    run = start_bill_run(new_id(), clock.today(), by=cast.actor(cast.bea), **values)
    return run, db.session.query(RunItem).filter_by(run_id=run.id).one()


def test_what_one_gave_up_today_counts_by_person_client_and_day(cast: Cast) -> None:
    make_rate("100")
    entry, bea, entity = make_entry(cast), cast.actor(cast.bea), cast.entity.id
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo)), lambda by: given_up_today(entity, [cast.acme.id], by=by))
    assert given_up_today(entity, [cast.acme.id], by=bea) == 0
    write_off_items([entry.id], "Training", by=bea)
    assert given_up_today(entity, [cast.acme.id, cast.acme.id], by=bea) == Decimal(100)
    for by, client in ((bea, cast.rival), (cast.actor(cast.pat), cast.acme), (SYSTEM, cast.acme)):
        assert given_up_today(entity, [client.id], by=by) == 0
    assert given_up_today(entity, [], by=bea) == given_up_today(new_id(), [cast.acme.id], by=bea) == 0
    with clock.travel_to(clock.now() + dt.timedelta(days=2)):
        assert given_up_today(entity, [cast.acme.id], by=bea) == 0


def test_a_clients_draft_of_a_run_is_made_once(cast: Cast) -> None:
    run, item = one_item(cast)
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo)), lambda by: draft_one(run, item, by))
    assert count(Invoice) == 0
    said = draft_one(run, item, cast.actor(cast.bea))
    assert said == draft_one(run, item, cast.actor(cast.bea))
    assert said["title"].endswith("GBP, draft") and item.payload["invoice_id"] in said["href"]
    invoice = db.session.query(Invoice).one()
    assert (invoice.state, invoice.run_id, invoice.net) == (InvoiceState.DRAFT, run.id, Decimal(100))
    assert told("billing.invoice.draft") == 1


def test_a_client_behind_a_wall_is_not_drafted_by_a_run(cast: Cast) -> None:
    run, item = one_item(cast)
    behind = replace(cast.actor(cast.bea), walled_clients=frozenset({cast.acme.id}))
    with pytest.raises((NotAllowed, NotFound, Skip)):
        draft_one(run, item, behind)
    assert count(Invoice) == 0


def test_a_client_with_nothing_left_to_bill_is_skipped_with_the_reason(cast: Cast) -> None:
    run, item = one_item(cast)
    other = start_bill_run(new_id(), clock.today(), by=cast.actor(cast.bea))
    its = db.session.query(RunItem).filter_by(run_id=other.id).one()
    draft_one(run, item, cast.actor(cast.bea))
    with pytest.raises(Skip) as skipped:
        draft_one(other, its, cast.actor(cast.bea))
    assert str(skipped.value) and count(Invoice) == 1


def test_a_draft_that_its_run_may_not_issue_stays_and_says_why(cast: Cast) -> None:
    cast.entity.address = ""
    run, item = one_item(cast, approve=True)
    said = draft_one(run, item, cast.actor(cast.bea))
    assert "draft, not issued: " in said["title"]
    assert db.session.query(Invoice).one().state is InvoiceState.DRAFT


def test_a_submitted_bill_is_sent_back_once_with_the_reason_by_whoever_may_draft(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice, bea, pat = make_draft(cast), cast.actor(cast.bea), cast.actor(cast.pat)
    with pytest.raises(Refused, match="not waiting"):
        return_to_draft(invoice, "Too early", by=pat)
    submit_for_approval(invoice, by=bea)
    assert invoice.state is InvoiceState.AWAITING
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo), kept_from(pat, cast.acme)),
            lambda by: return_to_draft(invoice, "Mine", by=by))
    return_to_draft(invoice, " Name the period ", by=pat)
    approval = db.session.query(Approval).one()
    assert (approval.decision, approval.word) == (Decision.DECLINED, "Name the period")
    assert invoice.state is InvoiceState.DRAFT and told("billing.invoice.return") == 1


def somebody_else_sets(invoice: Invoice, state: InvoiceState) -> None:
    """Just now, unseen by whoever has the bill in hand."""
    db.session.execute(
        sa.update(Invoice).where(Invoice.id == invoice.id).values(state=state)
        .execution_options(synchronize_session=False)
    )


def test_a_bill_that_has_just_been_sent_back_is_not_sent_back_again(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    submit_for_approval(invoice, by=cast.actor(cast.bea))
    assert invoice.state is InvoiceState.AWAITING
    somebody_else_sets(invoice, InvoiceState.DRAFT)
    with pytest.raises(Refused, match="not waiting"):
        return_to_draft(invoice, "Again", by=cast.actor(cast.pat))
    assert told("billing.invoice.return") == 0


def test_a_bill_is_marked_as_sent_by_whoever_may_approve_and_keeps_its_first_moment(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice, pat = make_draft(cast), cast.actor(cast.pat)
    with pytest.raises(Refused, match="Approve the bill first"):
        mark_sent(invoice, by=pat)
    approve_invoice(invoice, by=pat)
    not_for((cast.actor(cast.sam), cast.contact(cast.cleo), kept_from(pat, cast.acme)),
            lambda by: mark_sent(invoice, by=by))
    assert invoice.state is InvoiceState.APPROVED
    mark_sent(invoice, by=pat)
    first = invoice.sent_at
    with clock.travel_to(clock.now() + dt.timedelta(days=1)):
        mark_sent(invoice, by=pat)
    assert (invoice.state, invoice.sent_at) == (InvoiceState.SENT, first)


def test_a_bill_that_has_just_been_made_void_is_not_marked_as_sent(cast: Cast) -> None:
    make_rate("100")
    make_entry(cast)
    invoice = make_draft(cast)
    approve_invoice(invoice, by=cast.actor(cast.pat))
    assert invoice.state is InvoiceState.APPROVED
    somebody_else_sets(invoice, InvoiceState.VOID)
    with pytest.raises(Refused, match="is void"):
        mark_sent(invoice, by=cast.actor(cast.pat))
    assert told("billing.invoice.send") == 0
