"""The screens of engagements."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.clients.commands import close_engagement, create_engagement, reopen_engagement, update_engagement
from app.clients.forms import EngagementForm
from app.clients.models import in_force
from app.clients.policy import can_edit_engagement
from app.clients.queries import arrangements_of, engagements_of, get_client, get_engagement
from app.core.clock import today
from app.core.permissions import Permission, authorize
from app.core.rounding import RoundingRule
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard

blueprint = guard(Blueprint("engagements", __name__))


@blueprint.get("/clients/<uuid:client_id>/engagements")
def of_client(client_id: UUID) -> Answer:
    """The section of the client page."""
    client = get_client(client_id, seen_by=me())
    return render_template(
        "clients/_engagements.html", client=client, engagements=engagements_of(client.id, seen_by=me()), today=today(),
        may_edit=can_edit_engagement(me()),
    )


@blueprint.get("/clients/<uuid:client_id>/engagements/new")
def new(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    authorize(me(), can_edit_engagement)
    form = EngagementForm()
    form.prepare(client)
    form.id.data = str(form_id(form))
    return render_template("clients/engagement_new.html", form=form, client=client)


@blueprint.post("/clients/<uuid:client_id>/engagements")
def create(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    form = EngagementForm()
    form.prepare(client)
    engagement_id = form_id(form)

    def save() -> None:
        create_engagement(engagement_id, client, form.values(), by=me(), billed=form.billed())

    if submit(form, save):
        return redirect_to(url_for("engagements.show", engagement_id=engagement_id), f"{form.name.data} opened")
    return unprocessable("clients/engagement_new.html", form=form, client=client)


@blueprint.get("/engagements/<uuid:engagement_id>")
def show(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    rounding = RoundingRule.from_json(engagement.rounding).describe() if engagement.rounding else ""
    arrangements = arrangements_of(engagement, seen_by=me())
    return render_template(
        "clients/engagement.html", engagement=engagement, rounding=rounding, arrangements=arrangements,
        now_by=in_force([each for each in arrangements if each.archived_at is None], today()),
        may_edit=can_edit_engagement(me(), engagement), may_apply=me().may(Permission.SERVICE_APPLY),
    )


@blueprint.get("/engagements/<uuid:engagement_id>/edit")
def edit(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    authorize(me(), can_edit_engagement, engagement)
    form = EngagementForm()
    form.prepare(engagement.client, engagement)
    return render_template("clients/engagement_edit.html", form=form, engagement=engagement)


@blueprint.post("/engagements/<uuid:engagement_id>")
def update(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    form = EngagementForm()
    form.prepare(engagement.client, engagement)
    form.entity_id.data = engagement.entity_id

    def save() -> None:
        facts = form.values(service_id=engagement.service_id)
        update_engagement(engagement, facts, by=me(), version=form.version.number)

    if submit(form, save):
        return redirect_to(url_for("engagements.show", engagement_id=engagement.id), f"{form.name.data} saved")
    engagement = get_engagement(engagement_id, seen_by=me())
    stale = form.version.number not in (None, engagement.version)
    form.version.data = str(engagement.version)
    page = render_template("clients/engagement_edit.html", form=form, engagement=engagement, stale=stale)
    return page, 409 if stale else 422


@blueprint.post("/engagements/<uuid:engagement_id>/closure")
def close(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    close_engagement(engagement, by=me())
    return redirect_to(url_for("engagements.show", engagement_id=engagement.id), f"{engagement.name} closed")


@blueprint.post("/engagements/<uuid:engagement_id>/reopening")
def reopen(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    reopen_engagement(engagement, by=me())
    return redirect_to(url_for("engagements.show", engagement_id=engagement.id), f"{engagement.name} is open again")
