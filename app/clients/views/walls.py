"""The screen on which walls around a client are set and taken down."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from flask import Blueprint, g, render_template, request, url_for

from app.clients.commands import lower_wall, raise_wall
from app.clients.commands.walls import scope_of
from app.clients.forms import WallForm
from app.clients.models import Client
from app.clients.policy import can_edit_walls
from app.clients.queries import engagements_of, get_client, get_engagement, get_wall, list_walls
from app.core.db import db
from app.core.errors import Refused
from app.core.permissions import authorize
from app.core.web import Answer, form_id, me, redirect_to, submit
from app.desk.guard import confirm_with, guard, needs_confirmation, once_confirmed
from app.people.holdings import Holding, held_by, told_to
from app.people.models import Person
from app.people.queries import get_person, list_people

blueprint = guard(Blueprint("walls", __name__))


def _form(client: Client) -> WallForm:
    form = WallForm()
    form.engagement_id.offer(
        [(e.id, e.name) for e in engagements_of(client.id, seen_by=me())], empty="The whole client"
    )
    form.to.offer([(p.id, p.name) for p in list_people(seen_by=me())], empty="Nobody: it stays unassigned")
    form.id.data = str(form_id(form))
    return form


def _page(client: Client, form: WallForm, held: Sequence[Holding] = (), name: str = "") -> str:
    return render_template(
        "clients/walls.html", client=client, form=form, walls=list_walls(client.id, seen_by=me()),
        held=told_to(g.person, held), person_name=name, ask_password=needs_confirmation(),
    )


@blueprint.get("/clients/<uuid:client_id>/walls")
def index(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    authorize(me(), can_edit_walls)
    return _page(client, _form(client))


@blueprint.post("/clients/<uuid:client_id>/walls")
def create(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    authorize(me(), can_edit_walls)
    form = _form(client)
    held: list[Holding] = []
    asked = bool(request.form.get("asked"))

    def save() -> None:
        confirm_with(form)
        around = get_engagement(form.engagement_id.data, seen_by=me()) if form.engagement_id.data else client
        person = _person(form)
        held.extend(held_by(person, scope_of(around)))
        if asked or not held:
            to = get_person(form.to.data, seen_by=me()) if form.to.data else None
            raise_wall(form_id(form), person, around, form.reason.data or "", by=me(), to=to)

    if not submit(form, save):
        return _page(client, form, held, _person(form).name if held else ""), 422
    if held and not asked:
        return _page(client, form, held, _person(form).name)
    to_list = form.person_id.data == me().id and not form.engagement_id.data
    url = url_for("clients.index") if to_list else url_for("walls.index", client_id=client.id)
    return redirect_to(url, "The wall stands")


def _person(form: WallForm) -> Person:
    person = db.session.get(Person, form.person_id.data)
    if person is None:
        raise Refused("Pick a name from the list.", field="person_id")
    return person


@blueprint.post("/walls/<uuid:wall_id>/removal")
def delete(wall_id: UUID) -> Answer:
    wall = get_wall(wall_id, seen_by=me())
    client_id = wall.client_id or get_engagement(wall.engagement_id, seen_by=me()).client_id  # type: ignore[arg-type]
    authorize(me(), can_edit_walls)
    back = url_for("walls.index", client_id=client_id)

    def act() -> Answer:
        lower_wall(wall, by=me())
        return redirect_to(back, "The wall is down")

    return once_confirmed(act, what="Take down a wall", verb="Take down", back=back)
