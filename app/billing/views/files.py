"""WIP, bills, payments and receivables as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flask import Blueprint

from app.billing.models import InvoiceKind
from app.billing.queries.aged import AgedRow, WipFilter
from app.billing.queries.invoices import every_invoice, standing_of
from app.billing.queries.payments import every_receivable, list_payments
from app.billing.queries.wip import every_wip
from app.billing.views.invoices import invoice_filter
from app.billing.views.payments import payment_filter
from app.billing.views.wip import wip_filter
from app.core import clock
from app.core.csv_out import moneys
from app.core.web import Answer, me
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.ledger.ageing import ages_of
from app.ledger.models import Account

blueprint = guard(Blueprint("billing_csv", __name__))


def _header(account: Account) -> list[str]:
    names = [age.name if age.first is None else f"{age.name} days" for age in ages_of(account)]
    return ["Code", "Client", "Currency", *names, "Total"]


def _name(what: str, found: WipFilter) -> str:
    """Named by the day through which it is posted."""
    return f"{what}-{found.on or clock.today()}.csv"


def _aged(rows: Iterable[AgedRow]) -> Iterator[list[Any]]:
    for row in rows:
        yield [row.code, row.name, row.currency, *moneys(row.currency, *row.ages, row.total)]


@blueprint.get("/billing/wip.csv")
def wip() -> Answer:
    found, actor = wip_filter(), me()
    return hand_out(
        "WIP", _name("wip", found), _header(Account.WIP),
        lambda: _aged(every_wip(found, seen_by=actor)), by=actor,
    )


@blueprint.get("/billing/receivables.csv")
def receivables() -> Answer:
    found, actor = wip_filter(), me()
    return hand_out(
        "receivables", _name("receivables", found), _header(Account.RECEIVABLE),
        lambda: _aged(every_receivable(found, seen_by=actor)), by=actor,
    )


@blueprint.get("/billing/invoices.csv")
def invoices() -> Answer:
    found, actor = invoice_filter(), me()
    header = ["Number", "Client code", "Client", "Date", "Due", "State", "Net", "Tax", "Total", "Credited", "Open",
              "Currency"]

    def rows() -> Iterator[list[Any]]:
        for bill in every_invoice(found, seen_by=actor):
            is_credit = bill.kind is InvoiceKind.CREDIT_NOTE
            sign = -1 if is_credit else 1
            yield [
                bill.number,
                bill.client.code,
                bill.client.name,
                bill.issued_on,
                bill.due_on,
                standing_of(bill).value,
                *moneys(
                    bill.currency, sign * bill.net, sign * bill.tax, None if is_credit else bill.gross,
                    bill.gross if is_credit else None, bill.open_amount,
                ),
                bill.currency,
            ]

    return hand_out("invoices", "invoices.csv", header, rows, by=actor)


@blueprint.get("/billing/payments.csv")
def payments() -> Answer:
    found, actor = payment_filter(), me()
    header = ["Arrived", "Client code", "Client", "By", "Reference", "Amount", "Credit left", "Currency", "Reversed"]

    def rows() -> Iterator[list[Any]]:
        number, more = 1, True
        while more:
            page = list_payments(found, seen_by=actor, page=number)
            for paid, left in page.rows:
                yield [
                    paid.received_on,
                    paid.client.code,
                    paid.client.name,
                    paid.method.value,
                    paid.reference,
                    *moneys(paid.currency, paid.amount, left),
                    paid.currency,
                    paid.reversed_reason,
                ]
            number, more = number + 1, page.has_next

    return hand_out("payments", "payments.csv", header, rows, by=actor)
