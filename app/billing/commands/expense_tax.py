"""Saying otherwise how its bill taxes an expense that is on a draft already; the draft's line follows."""

from __future__ import annotations

import sqlalchemy as sa

from app.activity.commands import record
from app.billing.amounts import share_of, treated
from app.billing.commands.drafts import codes_of, taxing_of
from app.billing.commands.items import items_by_id
from app.billing.commands.totals import charge_once, line_of, open_draft, recompute
from app.billing.models import Invoice, InvoiceItem, Treatment
from app.clients.models import Client, Engagement
from app.core.actors import SYSTEM, Actor
from app.core.db import check_version, db, transaction
from app.core.errors import Refused
from app.core.permissions import authorize
from app.ledger.books import books_of
from app.ledger.models import TransactionKind
from app.timekeeping.commands.expenses import TAX_FACTS, ExpenseTax, set_bill_tax, worth_of_expense
from app.timekeeping.commands.figures import be_worth
from app.timekeeping.commands.wip import move_wip, place_of
from app.timekeeping.models import Expense, ItemState
from app.timekeeping.policy import can_edit_item


def draft_with(expense: Expense) -> Invoice | None:
    """The draft that an expense lies on."""
    return db.session.scalar(
        sa.select(Invoice)
        .join(InvoiceItem, InvoiceItem.invoice_id == Invoice.id)
        .where(
            InvoiceItem.item_id == expense.id, InvoiceItem.live, ~InvoiceItem.issued,
            InvoiceItem.treatment != Treatment.LATER,
        )
    )


def retax_drafted_expense(expense: Expense, said: ExpenseTax, *, by: Actor, version: int | None = None) -> Invoice:
    """Change how its bill taxes an expense on a draft: the line is taxed anew, and charges what it is worth now.

    An amount that was set by hand on the line stays. Raises Refused once it is billed; one that is on no draft is
    changed by `edit_expense`.
    """
    authorize(by, can_edit_item, expense)
    with transaction() as session:
        draft = draft_with(expense)
        if draft is None:
            raise Refused(_nowhere(expense), field="bill_tax")
        open_draft(draft, entries=[expense.id])
        held = items_by_id([expense.id], seen_by=SYSTEM)[expense.id]
        row = session.get(InvoiceItem, (draft.id, expense.id), populate_existing=True)
        if not isinstance(held, Expense) or row is None or held.state is not ItemState.DRAFTED:
            raise Refused(_nowhere(expense), field="bill_tax")
        check_version(held, version)
        line = line_of(draft, row.line_id)
        old, before = {name: getattr(held, name) for name in TAX_FACTS}, place_of(held)
        set_bill_tax(held, said)
        be_worth(held, worth_of_expense(held))
        held.state = ItemState.DRAFTED
        held.version += 1
        move_wip(TransactionKind.REPRICED, held, before, place_of(held), by=by, books=books_of(held.engagement_id))
        as_it_was = line.net == row.value
        row.value = held.open_value
        if row.treatment is Treatment.WRITE_OFF:
            treated(row.value, Treatment.WRITE_OFF).give(row)
        else:
            if as_it_was:
                charge_once(line, row.value)
            share_of(row.value, line.net, line.rest).give(row)
        line.tax_code = held.tax_code or _usual_code(draft, held)
        recompute(draft)
        record(
            "timekeeping.expense.retax", held, by=by, before=old,
            after={name: getattr(held, name) for name in TAX_FACTS}, topics=("wip", "invoices"),
        )
        return draft


def _nowhere(expense: Expense) -> str:
    if expense.state is ItemState.BILLED:
        return "It has been billed and stays as it is; the bill can be credited."
    return "It is on no draft any more; change the expense itself."


def _usual_code(draft: Invoice, expense: Expense) -> str:
    engagement = db.session.get_one(Engagement, expense.engagement_id)
    payer = db.session.get_one(Client, draft.payer_id)
    return codes_of([engagement], payer, taxing_of(draft))[engagement.id]
