"""The screens of contacts."""

from __future__ import annotations

from collections.abc import Callable
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
from app.clients.commands.access_notices import clients_let_in, compare_emails, emails_of
from app.clients.forms import ContactForm, NewContactForm, StandingForm
from app.clients.models import Contact
from app.clients.policy import can_edit_client
from app.clients.queries import contacts_of, find_client, get_client, get_contact, get_standing, standings_of
from app.core.errors import Refused
from app.core.ids import parse_id
from app.core.permissions import authorize
from app.core.undo import undo_of
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard, once_confirmed

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
    authorize(me(), can_edit_client, client)
    form = NewContactForm()
    contact_id, back = form_id(form), url_for("clients.show", client_id=client.id, section="contacts")

    def act() -> Answer:
        if submit(form, lambda: create_contact(contact_id, form.values(), client, form.standing(), by=me())):
            return redirect_to(back, f"{form.name.data} added")
        return unprocessable("clients/contact_new.html", form=form, client=client)

    if not form.portal_access.data:
        return act()
    return once_confirmed(act, what=f"Let {form.name.data} into the portal", verb="Add contact", back=back)


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
    authorize(me(), can_edit_client)
    form = ContactForm()
    form.show_contact(contact)
    back = url_for("contacts.show", contact_id=contact_id)

    def act() -> Answer:
        if submit(form, lambda: update_contact(contact, form.values(), by=me(), version=form.version.number)):
            return redirect_to(back, f"{form.name.data} saved")
        here = get_contact(contact_id, seen_by=me())
        stale = form.version.number not in (None, here.version)
        form.version.data = str(here.version)
        page = render_template("clients/contact_edit.html", form=form, contact=here, stale=stale)
        return page, 409 if stale else 422

    changed = any(compare_emails(emails_of(contact.id), form.values().emails))
    if not changed or not clients_let_in(contact_id):
        return act()
    return once_confirmed(act, what=f"Change how {contact.name} signs in", verb="Save contact", back=back)


@blueprint.post("/contacts/<uuid:contact_id>/archive")
def archive(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    back = url_for("contacts.show", contact_id=contact_id)

    def act() -> Answer:
        archive_contact(contact, by=me())
        return redirect_to(back, f"{contact.name} archived",
                           undo=undo_of("clients.contact.archive", by=me(), contact=str(contact.id)))

    return _once_confirmed_of(contact, act, what=f"Archive {contact.name}", verb="Archive", back=back)


@blueprint.post("/contacts/<uuid:contact_id>/restore")
def restore(contact_id: UUID) -> Answer:
    contact = get_contact(contact_id, seen_by=me())
    back = url_for("contacts.show", contact_id=contact_id)

    def act() -> Answer:
        restore_contact(contact, by=me())
        return redirect_to(back, f"{contact.name} is back")

    return _once_confirmed_of(contact, act, what=f"Bring {contact.name} back", verb="Bring back", back=back)


def _once_confirmed_of(contact: Contact, act: Callable[[], Answer], *, what: str, verb: str, back: str) -> Answer:
    """The password is asked for where they see somebody in the portal."""
    authorize(me(), can_edit_client)
    return once_confirmed(act, what=what, verb=verb, back=back) if clients_let_in(contact.id) else act()


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
    authorize(me(), can_edit_client, standing.client)
    form = StandingForm()
    back = url_for("clients.show", client_id=client_id, section="contacts")

    def act() -> Answer:
        if not submit(form, lambda: link_contact(standing.client, standing.contact, form.standing(), by=me())):
            raise Refused(next(iter(form.errors.values()))[0])
        return redirect_to(back, "Saved")

    if form.portal_access.data == standing.portal_access:
        return act()
    what = f"{'Let' if form.portal_access.data else 'Keep'} {standing.contact.name} " + (
        "into the portal" if form.portal_access.data else "out of the portal")
    return once_confirmed(act, what=what, verb="Save", back=back)


@blueprint.post("/clients/<uuid:client_id>/contacts/<uuid:contact_id>/removal")
def unlink(client_id: UUID, contact_id: UUID) -> Answer:
    standing = get_standing(client_id, contact_id, seen_by=me())
    authorize(me(), can_edit_client, standing.client)
    contact, client = standing.contact, standing.client
    back = url_for("clients.show", client_id=client_id, section="contacts")

    def act() -> Answer:
        unlink_contact(client, contact, by=me())
        return redirect_to(back, f"{contact.name} no longer stands for {client.name}")

    if not standing.portal_access:
        return act()
    return once_confirmed(act, what=f"Take {contact.name} off {client.name}", verb="Take off", back=back)
