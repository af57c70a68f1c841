"""What clients owe, by age, and their statements of account."""

from __future__ import annotations

from functools import partial
from typing import Any
from uuid import UUID

from dateutil.relativedelta import relativedelta
from flask import Blueprint, Response, render_template, request, url_for

from app.billing.commands.statements import send_statement
from app.billing.policy import can_record_payment, can_send_statement
from app.billing.queries.aged import PER_PAGE
from app.billing.queries.payments import receivables_by_client
from app.billing.queries.statements import Statement, statement_currencies, statement_of
from app.billing.statement_pdf import statement_pdf
from app.billing.views.wip import choices, date_arg, wip_filter
from app.clients.models import Client
from app.clients.queries import get_client
from app.core import clock
from app.core.csv_out import moneys
from app.core.errors import Refused
from app.core.filenames import disposition
from app.core.ids import new_id, parse_id
from app.core.permissions import Permission, authorize
from app.core.web import Answer, arg, me, page_number, redirect_to
from app.delivery.queries import list_mails_about
from app.desk.guard import guard
from app.firm.exports import hand_out
from app.firm.queries import get_firm

blueprint = guard(Blueprint("receivables", __name__))
WORDS = {
    "invoice": "Bill", "credit_note": "Credit note", "payment": "Payment", "reversed_payment": "Payment taken back",
}


@blueprint.get("/billing/receivables")
def index() -> Answer:
    found = wip_filter()
    return render_template(
        "billing/receivables/index.html",
        found=found,
        owed=receivables_by_client(found, seen_by=me(), page=page_number()),
        per_page=PER_PAGE,
        may_pay=can_record_payment(me()),
        may_export=me().may(Permission.EXPORT),
        as_of=clock.now(),
        **choices(),
    )


def _asked(client: Client) -> tuple[Statement, list[str]]:
    """The statement that the address asks for; the last three months when it says nothing."""
    today = clock.today()
    start = date_arg("from") or today.replace(day=1) - relativedelta(months=2)
    end = date_arg("to") or today
    if end < start:
        raise Refused("A statement cannot end before it begins.")
    currencies = statement_currencies(client.id, seen_by=me()) or [client.currency]
    currency = arg("currency") if arg("currency") in currencies else currencies[0]
    return statement_of(client.id, currency, start, end, seen_by=me()), currencies


@blueprint.get("/billing/clients/<uuid:client_id>/statement")
def statement(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    found, currencies = _asked(client)
    return render_template(
        "billing/receivables/statement.html",
        client=client,
        statement=found,
        is_todays=found.end >= clock.today(),
        currencies=currencies,
        asked=_address(found),
        send_id=new_id(),
        mails=list_mails_about("client", client.id, seen_by=me(), limit=10),
        may_send=can_send_statement(me(), client),
        may_export=me().may(Permission.EXPORT),
    )


def _address(found: Statement) -> dict[str, Any]:
    return {"from": found.start.isoformat(), "to": found.end.isoformat(), "currency": found.currency}


@blueprint.get("/billing/clients/<uuid:client_id>/statement.pdf")
def pdf(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    found, _ = _asked(client)
    return Response(
        _body(found, client),
        mimetype="application/pdf",
        headers={"Content-Disposition": disposition(f"statement-{client.code}-{found.end}.pdf", inline=True)},
    )


@blueprint.get("/billing/clients/<uuid:client_id>/statement.csv")
def export(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    found, _ = _asked(client)
    header = ("Day", "What", "Number or reference", "Due", "Billed", "Credited", "Paid", "Balance", "Currency")
    return hand_out(
        "statement", f"statement-{client.code}-{found.end}.csv", header, lambda: _lines(found), by=me()
    )


def _lines(found: Statement) -> list[list[Any]]:
    """The page's rows: the balance before, what happened, the balance after."""
    money = partial(moneys, found.currency)
    first = [found.start, "Brought forward", "", None, None, None, None, *money(found.opening), found.currency]
    last = [found.end, "Balance", "", None, None, None, None, *money(found.closing), found.currency]
    rows = [
        [row.on, WORDS[row.kind], row.name, row.due_on, *money(row.billed, row.credited, row.paid, row.balance),
         found.currency]
        for row in found.rows
    ]
    return [first, *rows, last]


def _body(found: Statement, client: Client) -> bytes:
    firm = get_firm()
    assert firm is not None
    return statement_pdf(found, client, firm)


@blueprint.post("/billing/clients/<uuid:client_id>/statement")
def send(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    authorize(me(), can_send_statement, client)
    found, _ = _asked(client)
    send_id = parse_id(request.form.get("send_id", "")) or new_id()
    addresses = send_statement(client, found, _body(found, client), send_id=send_id, by=me())
    back = url_for("receivables.statement", client_id=client.id, **_address(found))
    return redirect_to(back, f"On its way to {', '.join(addresses)}")
