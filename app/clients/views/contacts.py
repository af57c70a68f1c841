"""The screens of contacts."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, request, url_for

from app.clients.commands import (
    Standing,
    archive_contact,
    create_contact,
    link_contact,
    restore_contact,
    unlink_contact,
    update_contact,
)
from app.clients.forms import ContactForm, NewContactForm, StandingForm
from app.clients.policy import can_edit_client
from app.clients.queries import contacts_of, find_client, get_client, get_contact, get_standing, standings_of
from app.core.errors import Refused
from app.core.ids import parse_id
from app.core.permissions import authorize
from app.core.undo import undo_of
from app.core.web import Answer, form_id, me, redirect_to, respond, submit, unprocessable
from app.desk.guard import guard

blueprint = guard(Blueprint("contacts", __name__))


@blueprint.get("/clients/<uuid:client_id>/contacts")
def of_client(client_id: UUID) -> Answer:
    """The section of the client page."""
    client = get_client(client_id, seen_by=me())
    return render_template("clients/_contacts.html", client=client, contacts=contacts_of(client.id, seen_by=me()))


@blueprint.get("/clients/<uuid:client_id>/contacts/new")
def new(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    authorize(me(), can_edit_client, client)
    form = NewContactForm()
    form.id.data = str(form_id(form))
    return render_template("clients/contact_new.html", form=form, client=client)


@blueprint.post("/clients/<uuid:client_id>/contacts")
def create(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    form = NewContactForm()
    contact_id = form_id(form)
    if submit(form, lambda: create_contact(contact_id, form.values(), client, form.standing(), by=me())):
        return redirect_to(url_for("clients.show", client_id=client.id, section="contacts"), f"{form.name.data} added")
    return unprocessable("clients/contact_new.html", form=form, client=client)


@blueprint.get("/contacts/<uuid:contact_id>")
def show(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    return render_template(
        "clients/contact.html", contact=contact, standings=standings_of(contact.id, seen_by=me()),
        may_edit=can_edit_client(me()),
    )


@blueprint.get("/contacts/<uuid:contact_id>/edit")
def edit(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    authorize(me(), can_edit_client)
    form = ContactForm()
    form.show_contact(contact)
    return render_template("clients/contact_edit.html", form=form, contact=contact)


@blueprint.post("/contacts/<uuid:contact_id>")
def update(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    form = ContactForm()
    form.show_contact(contact)
    if submit(form, lambda: update_contact(contact, form.values(), by=me(), version=form.version.number)):
        return redirect_to(url_for("contacts.show", contact_id=contact.id), f"{form.name.data} saved")
    contact = get_contact(contact_id, seen_by=me())
    stale = form.version.number not in (None, contact.version)
    form.version.data = str(contact.version)
    page = render_template("clients/contact_edit.html", form=form, contact=contact, stale=stale)
    return page, 409 if stale else 422


@blueprint.post("/contacts/<uuid:contact_id>/archive")
def archive(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    archive_contact(contact, by=me())
    return redirect_to(url_for("contacts.show", contact_id=contact.id), f"{contact.name} archived",
                       undo=undo_of("clients.contact.archive", by=me(), contact=str(contact.id)))


@blueprint.post("/contacts/<uuid:contact_id>/restore")
def restore(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    restore_contact(contact, by=me())
    return redirect_to(url_for("contacts.show", contact_id=contact.id), f"{contact.name} is back")


@blueprint.post("/contacts/<uuid:contact_id>/clients")
def link(contact_id: UUID) -> Answer:
    """Let the contact stand for one more client."""
    contact = get_contact(contact_id, seen_by=me())
    wanted = parse_id(request.form.get("client"))
    typed = request.form.get("client_text", "")
    client = get_client(wanted, seen_by=me()) if wanted else find_client(typed, seen_by=me())
    if client is None:
        raise Refused("Pick a client from the list.", field="client")
    link_contact(client, contact, Standing(), by=me())
    return redirect_to(url_for("contacts.show", contact_id=contact.id), f"{contact.name} now stands for {client.name}")


@blueprint.post("/clients/<uuid:client_id>/contacts/<uuid:contact_id>")
def change(client_id: UUID, contact_id: UUID) -> Answer:
    """What the contact is to this client: role, portal access, primary."""
    standing = get_standing(client_id, contact_id, seen_by=me())
    form = StandingForm()
    if not submit(form, lambda: link_contact(standing.client, standing.contact, form.standing(), by=me())):
        raise Refused(next(iter(form.errors.values()))[0])
    return respond(
        "clients/_contacts.html", to=url_for("clients.show", client_id=client_id, section="contacts"),
        message="Saved", client=standing.client, contacts=contacts_of(client_id, seen_by=me()),
    )


@blueprint.post("/clients/<uuid:client_id>/contacts/<uuid:contact_id>/removal")
def unlink(client_id: UUID, contact_id: UUID) -> Answer:
    standing = get_standing(client_id, contact_id, seen_by=me())
    unlink_contact(standing.client, standing.contact, by=me())
    return respond(
        "clients/_contacts.html", to=url_for("clients.show", client_id=client_id, section="contacts"),
        message=f"{standing.contact.name} no longer stands for {standing.client.name}", client=standing.client,
        contacts=contacts_of(client_id, seen_by=me()),
    )
