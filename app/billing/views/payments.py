"""Payments: the list, recording one, where it went, putting credit onto invoices, reversing."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.billing.commands.payments import PaymentFacts, allocate_payment, credit_left, record_payment
from app.billing.commands.settling import reverse_payment, unallocate
from app.billing.forms import SPREAD, PaymentForm, TakeOffForm
from app.billing.policy import can_record_payment, can_see_invoices
from app.billing.queries.invoices import InvoiceFilter, list_invoices
from app.billing.queries.payments import (
    PER_PAGE,
    PaymentFilter,
    allocations_of,
    get_allocation,
    get_payment,
    list_payments,
    open_currencies,
    open_invoices,
)
from app.clients.models import Client
from app.clients.queries import get_client
from app.core import clock
from app.core.errors import NotFound
from app.core.fields import offers
from app.core.ids import parse_id
from app.core.money import parse_amount
from app.core.permissions import Permission, authorize
from app.core.web import Answer, arg, form_id, id_arg, me, page_number, redirect_to, submit, unprocessable
from app.core.wording import number_format
from app.desk.guard import guard
from app.firm.queries import list_entities

blueprint = guard(Blueprint("payments", __name__))


def payment_filter() -> PaymentFilter:
    return PaymentFilter(
        text=arg("q"), client_id=id_arg("client"), with_credit=arg("credit") == "1",
        currency=arg("currency")[:3].upper(),
    )


@blueprint.get("/billing/payments")
def index() -> Answer:
    found = payment_filter()
    return render_template(
        "billing/payments/index.html",
        found=found,
        payments=list_payments(found, seen_by=me(), page=page_number()),
        per_page=PER_PAGE,
        may_pay=can_record_payment(me()),
        may_export=me().may(Permission.EXPORT),
    )


@blueprint.get("/billing/payments/new")
def new() -> Answer:
    authorize(me(), can_record_payment)
    client_id = id_arg("client")
    client = get_client(client_id, seen_by=me()) if client_id else None
    form = PaymentForm(client=client.id if client else None, received_on=clock.today())
    form.client.text = client.name if client else ""
    form.id.data = str(form_id(form))
    _offer(form, client)
    return render_template("billing/payments/new.html", form=form, **_owed(form, client))


def _offer(form: PaymentForm, client: Client | None) -> None:
    entities = list_entities()
    form.entity_id.choices = offers([(str(entity.id), entity.name) for entity in entities])
    codes = open_currencies(client.id, seen_by=me()) if client else []
    codes += [entity.currency for entity in entities] + ([client.currency] if client else [])
    if form.currency.data:
        codes.append(str(form.currency.data)[:3].upper())
    form.currency.choices = offers([(code, code) for code in dict.fromkeys(codes)])
    form.currency.data = form.currency.data or (codes[0] if codes else None)


def _values(choices: Any) -> list[str]:
    return [str(choice.value) for choice in choices]


def _owed(form: PaymentForm, client: Client | None) -> dict[str, Any]:
    """The open invoices of whoever pays, with what was typed beside each."""
    invoices: Sequence[Any] = []
    if client is not None and form.currency.data:
        invoices = open_invoices(client.id, str(form.currency.data), seen_by=me())
    return {
        "client": client,
        "currencies": _values(form.currency.choices),
        "entities": _values(form.entity_id.choices),
        "spreads": SPREAD,
        "invoices": invoices,
        "typed": {i.id: request.form.get(f"part-{i.id}", "") for i in invoices},
        "owed": sum((i.open_amount for i in invoices), Decimal(0)),
    }


@blueprint.get("/billing/payments/open-invoices")
def owed() -> Answer:
    """What the picked client owes: replaced when another one is picked."""
    client_id = id_arg("client")
    client = get_client(client_id, seen_by=me()) if client_id else None
    form = PaymentForm(formdata=None, currency=arg("currency") if not arg("fresh") else None)
    _offer(form, client)
    return render_template("billing/payments/_owed.html", form=form, **_owed(form, client))


@blueprint.post("/billing/payments")
def create() -> Answer:
    form = PaymentForm()
    payment_id = form_id(form)
    typed = form.client.data or (form.client.find(form.client.text) if form.client.text else None)
    client = get_client(typed, seen_by=me()) if typed else None
    _offer(form, client)

    def save() -> None:
        assert client is not None and form.received_on.data is not None
        parts = _parts(str(form.currency.data)) if form.spread.data == "parts" else None
        facts = PaymentFacts(
            client_id=client.id,
            entity_id=form.entity_id.data,
            received_on=form.received_on.data,
            amount=form.amount.data,
            currency=str(form.currency.data),
            method=form.method.data,
            reference=form.reference.data or "",
            parts=parts,
        )
        record_payment(payment_id, facts, by=me())

    if submit(form, save):
        return redirect_to(url_for("payments.show", payment_id=payment_id), "Payment recorded")
    return unprocessable("billing/payments/new.html", form=form, **_owed(form, client))


def _parts(currency: str) -> tuple[tuple[UUID, Decimal], ...]:
    found: list[tuple[UUID, Decimal]] = []
    for name, text in request.form.items():
        if name.startswith("part-") and text.strip() and (invoice_id := parse_id(name.removeprefix("part-"))):
            found.append((invoice_id, parse_amount(text, currency, number_format(), field="spread", signed=False)))
    return tuple(found)


@blueprint.get("/billing/payments/<uuid:payment_id>")
def show(payment_id: UUID) -> Answer:
    payment = get_payment(payment_id, seen_by=me())
    left = credit_left(payment) if payment.reversed_at is None else Decimal(0)
    return render_template(
        "billing/payments/show.html",
        payment=payment,
        left=left,
        allocations=allocations_of(seen_by=me(), payment_id=payment.id),
        invoices=open_invoices(payment.client_id, payment.currency, seen_by=me()) if left else [],
        may_pay=can_record_payment(me(), payment),
    )


@blueprint.post("/billing/payments/<uuid:payment_id>/allocation")
def allocate(payment_id: UUID) -> Answer:
    payment = get_payment(payment_id, seen_by=me())
    parts = None if request.form.get("auto") == "1" else _parts(payment.currency)
    allocate_payment(payment, parts, by=me())
    return redirect_to(url_for("payments.show", payment_id=payment.id), "Credit allocated")


@blueprint.get("/billing/allocations/<uuid:allocation_id>/reversal")
def confirm_take_off(allocation_id: UUID) -> Answer:
    allocation, invoice, payment = get_allocation(allocation_id, seen_by=me())
    authorize(me(), can_record_payment, payment)
    return render_template(
        "billing/payments/take_off.html", allocation=allocation, invoice=invoice, payment=payment, form=TakeOffForm()
    )


@blueprint.post("/billing/allocations/<uuid:allocation_id>/reversal")
def take_off(allocation_id: UUID) -> Answer:
    """Money off a bill again; where it should have gone is asked on the page of its payment."""
    allocation, invoice, payment = get_allocation(allocation_id, seen_by=me())
    form = TakeOffForm()
    if submit(form, lambda: unallocate(allocation, form.reason.data or "", by=me())):
        return redirect_to(
            url_for("payments.show", payment_id=payment.id), f"Taken off {invoice.number}; it is credit again"
        )
    return unprocessable(
        "billing/payments/take_off.html", allocation=allocation, invoice=invoice, payment=payment, form=form
    )


@blueprint.post("/billing/payments/<uuid:payment_id>/reversal")
def reverse(payment_id: UUID) -> Answer:
    payment = get_payment(payment_id, seen_by=me())
    reverse_payment(payment, request.form.get("reason", "")[:500], by=me())
    return redirect_to(url_for("payments.show", payment_id=payment.id), "Reversed; its invoices are open again")


@blueprint.get("/clients/<uuid:client_id>/balance")
def client_section(client_id: UUID) -> Answer:
    """What a client owes and has paid: the section of the client page."""
    client = get_client(client_id, seen_by=me())
    if not me().may(Permission.WIP_SEE) and not can_record_payment(me()):
        raise NotFound()
    currencies = open_currencies(client.id, seen_by=me()) or [client.currency]
    return render_template(
        "billing/payments/_client.html",
        client=client,
        owed=[(code, open_invoices(client.id, code, seen_by=me())) for code in currencies[:3]],
        payments=list_payments(PaymentFilter(client_id=client.id), seen_by=me()),
        credits=list_invoices(InvoiceFilter(client_id=client.id, standing="credit"), seen_by=me())
        if can_see_invoices(me()) else None,
        may_pay=can_record_payment(me()),
    )
