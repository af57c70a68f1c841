"""The list of clients and the page that shows all of one client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, redirect, render_template, url_for
from markupsafe import Markup

from app.activity.queries import EventFilter
from app.clients.models import Client, ClientStatus
from app.clients.policy import can_edit_client, can_edit_engagement, can_edit_walls, can_import
from app.clients.queries import PER_PAGE, ClientFilter, every_client, get_client, list_clients, list_tags
from app.core.errors import NotFound
from app.core.permissions import Permission
from app.core.web import Answer, arg, id_arg, is_htmx, me, page_number
from app.desk.activity.tell import tell
from app.desk.client.queries import overview_of
from app.desk.client.sections import Section, sections_for
from app.desk.comments import drawn
from app.desk.guard import guard
from app.exchange.clients.own import HEADER, load_names, row_of
from app.firm.exports import hand_out
from app.firm.queries import list_offices
from app.people.queries import list_people

blueprint = guard(Blueprint("clients", __name__))


def _filter() -> ClientFilter:
    status = arg("status")
    return ClientFilter(
        text=arg("q"), status=ClientStatus(status) if status in set(ClientStatus) else None,
        partner_id=id_arg("partner"), office_id=id_arg("office"), tag=arg("tag"), archived=arg("archived") == "1",
    )


@blueprint.get("/clients")
def index() -> Answer:
    found, sort = _filter(), arg("sort", "name")
    people = list_people(seen_by=me())
    return render_template(
        "desk/client/index.html", found=found, sort=sort, per_page=PER_PAGE,
        clients=list_clients(found, seen_by=me(), sort=sort, page=page_number()), people=people,
        offices=list_offices(), tags=list_tags(seen_by=me()), may_edit=can_edit_client(me()),
        may_import=can_import(me()), may_export=me().may(Permission.EXPORT),
    )


@blueprint.get("/clients.csv")
def export() -> Answer:
    """Every column of it is read back by the import, which finds each client by its code."""
    found, actor, sort = _filter(), me(), arg("sort", "name")

    def rows() -> Iterator[list[Any]]:
        names = load_names()
        return (row_of(client, names) for client, *_ in every_client(found, seen_by=actor, sort=sort))

    return hand_out("clients", "clients.csv", HEADER, rows, by=actor)


@blueprint.get("/clients/<uuid:client_id>")
def show(client_id: UUID) -> Answer:
    """With `section`, that section is drawn in place of the overview: in the page, or alone for htmx."""
    client = get_client(client_id, seen_by=me())
    key = arg("section")
    chosen = next((s for s in sections_for(me()) if s.key == key), None)
    if key and chosen is None:
        raise NotFound()
    tabs = [("", "Overview", url_for("clients.show", client_id=client.id))]
    tabs += [(s.key, s.label, url_for("clients.show", client_id=client.id, section=s.key)) for s in sections_for(me())]
    body = Markup(_fragment(chosen, client)) if chosen else _overview(client)
    template = "desk/client/_record.html" if is_htmx() else "desk/client/show.html"
    return render_template(
        template, client=client, tabs=tabs, current=key, body=body, may_edit=can_edit_client(me(), client),
        may_open=can_edit_engagement(me()),
        may_wall=can_edit_walls(me()),
    )


@blueprint.get("/clients/<uuid:client_id>/panel")
def panel(client_id: UUID) -> Answer:
    """The client beside the list; asked for plainly, their page."""
    client = get_client(client_id, seen_by=me())
    if not is_htmx():
        return redirect(url_for("clients.show", client_id=client.id), 303)
    return render_template(
        "desk/client/_panel.html", client=client, may_edit=can_edit_client(me(), client),
        sees_money=me().may(Permission.WIP_SEE), overview=overview_of(client.id, client.currency, seen_by=me()),
    )


@blueprint.get("/clients/<uuid:client_id>/overview")
def overview(client_id: UUID) -> Answer:
    """The overview alone, when something of the client changed."""
    return _overview(get_client(client_id, seen_by=me()))


def _fragment(section: Section, client: Client) -> str:
    view: Any = current_app.view_functions[section.endpoint]
    answer = current_app.make_response(view(client_id=client.id))
    return answer.get_data(as_text=True)


def _overview(client: Client) -> Markup:
    actor = me()
    return Markup(render_template(
        "desk/client/_overview.html", client=client,
        sees_money=actor.may(Permission.WIP_SEE),
        overview=overview_of(client.id, client.currency, seen_by=actor),
        **drawn("client", client.id, seen_by=actor),
        recent=tell(EventFilter(client_id=client.id), seen_by=actor, limit=8),
    ))
