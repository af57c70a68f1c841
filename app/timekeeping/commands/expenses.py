"""Expenses: recorded with their tax, marked up or not, billed or not."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.activity.commands import record
from app.clients.models import ArrangementKind, EngagementStatus
from app.clients.policy import can_see
from app.core import clock
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import check_version, db, transaction
from app.core.errors import NotFound, Refused
from app.core.money import round_amount
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.documents.commands.uploads import NewFile, start_upload
from app.documents.models import Document
from app.firm.taxes import check_tax_code, outside_code
from app.ledger.books import Books, books_of
from app.ledger.models import TransactionKind
from app.ledger.queries import find_rate_on
from app.timekeeping.commands.figures import be_worth, refuse_other_currency, settle, topics_left
from app.timekeeping.commands.less import refuse_less
from app.timekeeping.commands.locks import lock, refuse_locked
from app.timekeeping.commands.valuing import LONGEST_NARRATIVE, where_it_belongs
from app.timekeeping.commands.wip import move_wip, place_of
from app.timekeeping.late import refuse_late
from app.timekeeping.models import BillTax, Expense
from app.timekeeping.policy import can_edit_item, can_record_time

MOST = Decimal(10) ** 12
LONGEST_EVIDENCE = 500
TAX_FACTS = ("bill_tax", "tax_code", "receipt_name", "evidence")


@dataclass(frozen=True, kw_only=True)
class ExpenseTax:
    """How its bill taxes an expense: `code` when it goes by a code of its own; for a disbursement whom the receipt is
    made out to, and why the client owes it unless a document proves it."""

    how: BillTax = BillTax.ENGAGEMENT
    code: str | None = None
    receipt_name: str = ""
    evidence: str = ""


@dataclass(frozen=True, kw_only=True)
class ExpenseFacts:
    """Money laid out: net and its tax in the engagement's currency, mark-up in percent of the net."""

    spent_on: dt.date
    net: Decimal
    engagement_id: UUID | None = None
    job_id: UUID | None = None
    task_id: UUID | None = None
    tax: Decimal = Decimal(0)
    mark_up_percent: Decimal = Decimal(0)
    category: str = ""
    narrative: str = ""
    billable: bool = True
    bill_tax: ExpenseTax = ExpenseTax()


def _check(facts: ExpenseFacts) -> None:
    if facts.net <= 0:
        raise Refused("An expense is more than nothing.", field="net")
    if facts.net >= MOST or facts.tax >= MOST:
        raise Refused("That is more than an expense can be.", field="net")
    if facts.tax < 0:
        raise Refused("Tax is not below zero.", field="tax")
    if not 0 <= facts.mark_up_percent <= 1000:
        raise Refused("The mark-up lies between 0 and 1000 %.", field="mark_up_percent")
    if facts.spent_on > clock.today():
        raise Refused("An expense is recorded when it has been made.", field="spent_on")
    if not facts.narrative.strip():
        raise Refused("Say what it was for; the client may read it.", field="narrative")
    if len(facts.narrative) > LONGEST_NARRATIVE:
        raise Refused(f"At most {LONGEST_NARRATIVE:,} characters; shorten it.", field="narrative")


def _describe(expense: Expense, facts: ExpenseFacts, *, by: Actor) -> Books:
    """Fill the expense from what was said; answers the books it goes into. Raises NotFound, Refused."""
    where = where_it_belongs(facts, facts.spent_on)
    if where is None or not can_see(by, where.engagement.client_id, where.engagement.id):
        raise NotFound()
    _check(facts)
    engagement = where.engagement
    if engagement.status is EngagementStatus.CLOSED:
        raise Refused(f"“{engagement.name}” is closed; reopen it first.", field="work")
    if expense.currency is not None:
        refuse_other_currency(expense, engagement)
    charges = where.billed is not ArrangementKind.NON_BILLABLE and not where.is_internal
    if expense.client_id != engagement.client_id and expense.client_id is not None:
        expense.document_id = None
    expense.client_id, expense.engagement_id = engagement.client_id, engagement.id
    expense.job_id, expense.task_id = where.job_id, where.task_id
    expense.worked_on, expense.currency = facts.spent_on, engagement.currency
    expense.net = round_amount(facts.net, engagement.currency)
    expense.tax = round_amount(facts.tax, engagement.currency)
    expense.mark_up_percent, expense.category = facts.mark_up_percent, facts.category
    expense.narrative, expense.billable = facts.narrative.strip(), facts.billable and charges
    with db.session.no_autoflush:  # until it is told, a disbursement may be without its evidence
        set_bill_tax(expense, facts.bill_tax)
    books = Books(engagement.entity_id, where.base)
    value_expense(expense, books)
    return books


def set_bill_tax(expense: Expense, said: ExpenseTax) -> None:
    """Keep how its bill taxes an expense. Raises Refused where a disbursement is marked up or lacks its evidence."""
    name, evidence = said.receipt_name.strip(), said.evidence.strip()
    if max(len(name), len(evidence)) > LONGEST_EVIDENCE:
        raise Refused(f"At most {LONGEST_EVIDENCE} characters; shorten it.",
                      field="receipt_name" if len(name) > LONGEST_EVIDENCE else "evidence")
    code = None
    if said.how is BillTax.CODE:
        code = check_tax_code(said.code, field="bill_tax")
        if code is None:
            raise Refused("Choose the tax of the bill.", field="bill_tax")
    elif said.how is BillTax.DISBURSEMENT:
        code = outside_code(field="bill_tax")
        if expense.mark_up_percent:
            raise Refused("A disbursement is passed on at exactly what was paid, without a mark-up.",
                          field="mark_up_percent")
        if not name:
            raise Refused("Say whose name is on the receipt: it is evidence that the client owed it.",
                          field="receipt_name")
        if not evidence and expense.document_id is None:
            raise Refused("Say why the client owed it, or attach the receipt first.", field="evidence")
    expense.bill_tax, expense.tax_code = said.how, code
    expense.receipt_name, expense.evidence = name, evidence


def value_expense(expense: Expense, books: Books | None = None) -> None:
    """What its bill charges for it, if billable: net and mark-up, of a disbursement exactly what was paid.

    What no exchange rate covers on its day waits for one and is worth nothing yet.
    """
    base = (books or books_of(expense.engagement_id)).currency
    known = find_rate_on(expense.currency, base, expense.worked_on) is not None
    expense.waiting = expense.billable and not known
    be_worth(expense, Decimal(0) if expense.waiting else worth_of_expense(expense))


def worth_of_expense(expense: Expense) -> Decimal:
    """Net and mark-up; a disbursement is worth what was paid, its tax with it."""
    paid = expense.net + expense.tax if expense.bill_tax is BillTax.DISBURSEMENT else expense.net
    return round_amount(paid * (1 + expense.mark_up_percent / 100), expense.currency)


def record_expense(
    expense_id: UUID, facts: ExpenseFacts, *, by: Actor, person_id: UUID | None = None, document_id: UUID | None = None
) -> Expense:
    """Record an expense; a billable one is WIP at net plus mark-up. The same id with the same facts gives
    the one that is there."""
    authorize(by, can_record_time, person_id)
    with transaction() as session:
        said = digest_of(facts, person_id or by.id, document_id)
        existing = made_before(Expense, expense_id, said, seen=lambda row: can_edit_item(by, row))
        if existing is not None:
            return existing
        expense = Expense(id=expense_id, person_id=person_id or by.id, document_id=document_id, made_from=said)
        books = _describe(expense, facts, by=by)
        session.add(expense)
        session.flush()
        refuse_late(books.entity_id, expense.worked_on, field="spent_on")
        move_wip(TransactionKind.RECORDED, expense, None, place_of(expense), by=by, books=books)
        record(
            "timekeeping.expense.record",
            expense,
            by=by,
            net=expense.net,
            value=expense.value,
            currency=expense.currency,
            on=expense.worked_on,
            narrative=expense.narrative,
            **{name: getattr(expense, name) for name in TAX_FACTS},
            topics=("wip",),
        )
        return expense


def edit_expense(expense: Expense, facts: ExpenseFacts, *, by: Actor, version: int | None = None) -> Expense:
    """Change or move an unbilled expense."""
    authorize(by, can_edit_item, expense)
    with transaction():
        lock(expense)
        refuse_locked(expense)
        check_version(expense, version)
        before, old_job, old = place_of(expense), expense.job_id, _told(expense)
        books = _describe(expense, facts, by=by)
        moved = before.engagement_id != expense.engagement_id
        kind = TransactionKind.TRANSFERRED if moved else TransactionKind.REPRICED
        books_before = books_of(before.engagement_id) if moved else None
        if place_of(expense) != before:
            refuse_late(books.entity_id, expense.worked_on, field="spent_on")
        refuse_less(expense, before, by=by)
        move_wip(kind, expense, before, place_of(expense), by=by, books=books, books_before=books_before)
        record(
            "timekeeping.expense.edit",
            expense,
            by=by,
            before=old,
            after=_told(expense),
            topics=("wip", *topics_left(before.client_id, old_job, expense)),
        )
        return expense


def _told(expense: Expense) -> dict[str, Any]:
    return {name: getattr(expense, name) for name in ("net", "narrative", *TAX_FACTS)}


def delete_expense(expense: Expense, *, by: Actor) -> None:
    """Take an unbilled expense back."""
    authorize(by, can_edit_item, expense)
    with transaction():
        lock(expense)
        if expense.deleted_at:
            return
        refuse_locked(expense)
        before = place_of(expense)
        books = books_of(expense.engagement_id)
        expense.deleted_at = now()
        settle(expense)
        refuse_less(expense, before, by=by)
        move_wip(TransactionKind.REPRICED, expense, before, None, by=by, books=books, reason="deleted")
        record("timekeeping.expense.delete", expense, by=by, net=expense.net, topics=("wip",))


def restore_expense(expense: Expense, *, by: Actor) -> None:
    """Undo a deletion."""
    authorize(by, can_edit_item, expense)
    with transaction():
        lock(expense)
        if expense.deleted_at is None:
            return
        expense.deleted_at = None
        settle(expense)
        books = books_of(expense.engagement_id)
        move_wip(TransactionKind.REPRICED, expense, None, place_of(expense), by=by, books=books, reason="restored")
        record("timekeeping.expense.restore", expense, by=by, net=expense.net, topics=("wip",))


def add_receipt(expense: Expense, file: NewFile, *, by: Actor) -> Document:
    """Begin to take in the file that proves an expense; it lies among the client's documents, for the firm only."""
    authorize(by, can_edit_item, expense)
    refuse_locked(expense)

    def join(document: Document) -> None:
        lock(expense)
        refuse_locked(expense)
        expense.document_id = document.id
        db.session.flush()

    return start_upload(
        file, client_id=expense.client_id, engagement_id=expense.engagement_id, folder="Receipts", by=by, joined=join,
        about=expense.id,
    )
