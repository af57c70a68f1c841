"""Two who decide at the same moment decide once; and what is changed behind the product's back is named."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
import sqlalchemy as sa
from flask import Flask

from app.approvals.models import Approval, Decision
from app.billing.commands.issue import approve_invoice
from app.billing.commands.wip import write_off_items
from app.billing.commands.write_offs import approve_write_off
from app.billing.models import Invoice
from app.core.actors import Actor
from app.core.db import db, transaction
from app.core.permissions import Role
from app.ledger.models import LedgerTransaction, TransactionKind
from tests.approvals.make_approvals import WRITE_OFF, found_by, limit
from tests.billing.make_billing import make_draft, make_entry, make_rate
from tests.make import Cast, make_cast, make_person
from tests.plumbing import as_owner
from tests.together import at_once

pytestmark = pytest.mark.real


@pytest.fixture
def firm(real_app: Flask) -> Cast:
    with real_app.app_context():
        with transaction():
            cast = make_cast()
            make_rate("100")
        with transaction():
            limit(cast, Role.BILLING, "100")
            limit(cast, Role.BILLING, "100", WRITE_OFF)
        db.session.expunge_all()
        return cast


def partners(cast: Cast) -> list[Actor]:
    with transaction():
        other = make_person("Paula", Role.PARTNER, cast.office)
    return [cast.actor(cast.pat), cast.actor(other)]


def test_two_partners_who_approve_one_bill_at_once_issue_it_once(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context():
        make_entry(firm, "10")
        draft_id = approve_invoice(make_draft(firm), by=firm.actor(firm.bea)).id
        asked = db.session.scalar(sa.select(Approval.id))
        both = partners(firm)

    def approve(by: Actor) -> str | None:
        return approve_invoice(db.session.get_one(Invoice, draft_id), by=by, asked=asked).number

    numbers = at_once(real_app, *(lambda by=by: approve(by) for by in both))
    with real_app.app_context():
        assert len(set(numbers)) == 1 and numbers[0]
        assert [each.decision for each in db.session.scalars(sa.select(Approval))] == [Decision.APPROVED]
        assert found_by("approvals", "billing.approvals", "billing.numbers", "ledger") == []


def test_two_partners_who_approve_one_write_off_at_once_post_it_once(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context():
        entry = make_entry(firm, "10")
        write_off_items([entry.id], "Training", by=firm.actor(firm.bea))
        asked = db.session.scalars(sa.select(Approval.id)).one()
        both = partners(firm)

    def approve(by: Actor) -> object:
        return approve_write_off(db.session.get_one(Approval, asked), by=by)

    assert at_once(real_app, *(lambda by=by: approve(by) for by in both)) == [1000, 1000]
    with real_app.app_context():
        kind = LedgerTransaction.kind == TransactionKind.WRITTEN_OFF
        assert db.session.scalar(sa.select(sa.func.count()).select_from(LedgerTransaction).where(kind)) == 1
        assert found_by("approvals", "billing.approvals", "billing.wip", "ledger") == []


ACTS = {
    "another amount of an entry": ("invoice_item", "UPDATE invoice_item SET treatment = 'bill', billed = billed + 1, "
                                   "written = written + 1", "billing.approvals", "not as it is"),
    "a higher limit in the row": ("approval", "UPDATE approval SET limit_amount = NULL WHERE kind = 'bill'",
                                  "approvals.limits", "the limit was none"),
    "somebody else decided": ("approval", "UPDATE approval SET decided_by = :sam, asked_by = NULL, "
                              "second_person = false", "approvals.told", "not what it was"),
    "no approval": ("approval", "UPDATE approval SET subject_id = id WHERE kind = 'bill'",
                    "billing.approvals", "nobody approved"),
    "a limit that was never set": ("approval_limit", "UPDATE approval_limit SET amount = 10000000",
                                   "approvals.told", "not what it was"),
    "more written off than asked": ("write_off_item", "UPDATE write_off_item SET amount = 40",
                                    "billing.approvals", "its entries 40"),
    "written off without asking": ("write_off_item", "UPDATE write_off_item SET transaction_id = NULL",
                                   "billing.approvals", "nobody approved"),
}  # fmt: skip


@pytest.mark.parametrize("name", ACTS)
def test_verify_names_what_was_changed_behind_an_approval(real_app: Flask, firm: Cast, name: str) -> None:
    table, statement, proof, words = ACTS[name]
    with real_app.app_context():
        make_entry(firm, "0.5")
        approve_invoice(make_draft(firm), by=firm.actor(firm.bea))
        entry: UUID = make_entry(firm, "0.5").id
        write_off_items([entry], "Training", by=firm.actor(firm.bea))
        db.session.remove()
        assert found_by("approvals", "billing.approvals") == []
        db.session.remove()
        values = {"sam": firm.sam.id} if ":sam" in statement else {}
        as_owner(real_app.config["SETTINGS"], table, statement, **values)
        assert any(words in finding.message for finding in found_by(proof)), [str(f) for f in found_by(proof)]


def test_small_write_offs_of_one_person_at_once_are_one_before_the_limit(real_app: Flask, firm: Cast) -> None:
    with real_app.app_context():
        entries = [make_entry(firm, "0.6").id for _ in range(4)]
        bea = firm.actor(firm.bea)

    def write_off(item: UUID) -> Decimal:
        return write_off_items([item], "Training", by=bea).done

    done = at_once(real_app, *(lambda item=item: write_off(item) for item in entries))
    assert sorted(done) == [0, 0, 0, 60]  # of the 100 that Bea may
    with real_app.app_context():
        assert found_by("approvals", "billing.approvals", "billing.wip", "ledger") == []
