"""Making and changing clients, one by one and several at once."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.clients.changes import Effect, digest_of_effects, effects_of
from app.clients.commands import (
    archive_client,
    assign_partner,
    create_client,
    restore_client,
    tag_client,
    update_client,
)
from app.clients.commands.clients import archiving_of, change_of
from app.clients.forms import BulkForm, ClientForm, name_of
from app.clients.models import Client
from app.clients.policy import can_edit_client
from app.clients.queries import clients_by_id, get_client
from app.core.db import db, transaction
from app.core.errors import Refused
from app.core.ids import parse_id
from app.core.permissions import authorize
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard
from app.people.models import Person

blueprint = guard(Blueprint("client", __name__))
TOLD = {
    "name": "Name", "code": "Code", "status": "Status", "legal_name": "Legal name", "tax_number": "Tax number",
    "registration_number": "Company number", "email": "E-mail", "phone": "Telephone", "website": "Website",
    "address": "Address", "country": "Country", "currency": "Currency", "tags": "Tags", "notes": "Notes",
    "terms_days": "Payment terms", "year_end_day": "Year end, day",
    "year_end_month": "Year end, month", "vat_stagger": "VAT quarters", "payroll_frequency": "Pays its staff",
    "first_pay_day": "First pay day", "region": "State or region",
}


@blueprint.get("/clients/new")
def new() -> Answer:
    authorize(me(), can_edit_client)
    form = ClientForm()
    form.prepare()
    form.id.data = str(form_id(form))
    return render_template("clients/new.html", form=form)


@blueprint.post("/clients")
def create() -> Answer:
    form = ClientForm()
    form.prepare()
    client_id = form_id(form)
    if submit(form, lambda: create_client(client_id, form.values(), by=me())):
        return redirect_to(url_for("clients.show", client_id=client_id), f"{form.name.data} created")
    return unprocessable("clients/new.html", form=form)


@blueprint.get("/clients/<uuid:client_id>/edit")
def edit(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    authorize(me(), can_edit_client, client)
    form = ClientForm()
    form.prepare(client)
    return render_template("clients/edit.html", form=form, client=client)


@blueprint.post("/clients/<uuid:client_id>")
def update(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    form = ClientForm()
    form.prepare(client)
    stale = form.version.number not in (None, client.version)
    effects = [] if stale or not form.validate() else effects_of(change_of(client, form.values()), seen_by=me())
    foreseen = request.form.get("foreseen") or None
    if effects and foreseen is None:
        return _ask(client, form, effects)
    redate = request.form.get("jobs") != "keep"
    if submit(form, lambda: update_client(
        client, form.values(), by=me(), version=form.version.number, foreseen=foreseen, redate=redate,
        because=form.because.data or "",
    )):
        return redirect_to(url_for("clients.show", client_id=client.id), f"{form.name.data} saved")
    client = get_client(client_id, seen_by=me())
    theirs = _differences(form, client) if form.version.number not in (None, client.version) else []
    form.version.data = str(client.version)
    if not theirs and effects:
        return _ask(client, form, effects)
    page = render_template("clients/edit.html", form=form, client=client, theirs=theirs)
    return page, 409 if theirs else 422


def _ask(client: Client, form: ClientForm, effects: list[Effect]) -> Answer:
    """The form as it was typed, with what the change brings about; it is saved once that is confirmed."""
    return unprocessable(
        "clients/edit.html", form=form, client=client, effects=effects, foreseen=digest_of_effects(effects)
    )


def _differences(form: ClientForm, client: Client) -> list[tuple[str, str, str]]:
    """What somebody else saved meanwhile, beside what was typed here: (field, theirs, yours)."""
    mine = form.values()
    pairs = [(label, getattr(client, name), getattr(mine, name)) for name, label in TOLD.items()]
    told = [(label, _said(theirs), _said(yours)) for label, theirs, yours in pairs if _said(theirs) != _said(yours)]
    people = (("Partner", client.partner_id, mine.partner_id), ("Manager", client.manager_id, mine.manager_id))
    for label, theirs, yours in people:
        if theirs != yours:
            told.append((label, name_of(theirs), name_of(yours)))
    return told or [("Nothing that you see here", "", "")]


def _said(value: object) -> str:
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


@blueprint.post("/clients/<uuid:client_id>/archive")
def archive(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    effects = effects_of(archiving_of(client), seen_by=me())
    foreseen = request.form.get("foreseen") or None
    if effects and foreseen != digest_of_effects(effects):
        return unprocessable(
            "clients/archive.html", client=client, effects=effects, foreseen=digest_of_effects(effects),
            changed=foreseen is not None,
        )
    archive_client(client, by=me(), foreseen=foreseen)
    return redirect_to(url_for("clients.show", client_id=client.id), f"{client.name} archived")


@blueprint.post("/clients/<uuid:client_id>/restore")
def restore(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    restore_client(client, by=me())
    return redirect_to(url_for("clients.show", client_id=client.id), f"{client.name} is back")


@blueprint.post("/clients/selected/<any(archive, tag, partner):what>")
def change_selected(what: str) -> Answer:
    """The same change to every picked client, in one transaction: all of them or none."""
    form = BulkForm()
    ids = [found for text in request.form.getlist("id") if (found := parse_id(text))]
    clients = clients_by_id(ids[:500], seen_by=me())
    if not clients:
        raise Refused("No client is selected. Nothing was changed.")
    if not form.validate():
        raise Refused(next(iter(errors[0] for errors in form.errors.values() if errors), "That could not be read."))
    partner = db.session.get(Person, form.partner_id.data) if form.partner_id.data else None
    if what == "partner" and partner is None:
        raise Refused("Name the partner. Nothing was changed.")
    if what == "tag" and not (form.tag.data or "").strip():
        raise Refused("Write the tag. Nothing was changed.")
    if what == "archive":
        busy = [client.name for client in clients if effects_of(archiving_of(client), seen_by=me())]
        if busy:
            more = f" and {len(busy) - 3} more" if len(busy) > 3 else ""
            said = "has" if len(busy) == 1 else "have"
            raise Refused(
                f"{', '.join(busy[:3])}{more} {said} open work. Archive such clients one by one, so that you see what "
                "is left. Nothing was changed."
            )
    with transaction():
        for client in clients:
            if what == "archive":
                archive_client(client, by=me())
            elif what == "tag":
                tag_client(client, form.tag.data or "", by=me())
            else:
                assign_partner(client, partner, by=me())
    said = {"archive": "archived", "tag": "tagged", "partner": "assigned"}[what]
    kept: dict[str, Any] = {key: value for key, value in request.args.items() if key in LIST_ARGS}
    back = url_for("clients.index", **kept)
    return redirect_to(back, f"{len(clients)} {'client' if len(clients) == 1 else 'clients'} {said}")


LIST_ARGS = ("q", "status", "partner", "office", "tag", "sort", "page", "archived")
