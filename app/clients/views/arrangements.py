"""The screens on which it is said how an engagement is billed, and from when."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from flask import Blueprint, render_template, url_for

from app.clients.commands import add_arrangement, archive_arrangement, change_arrangement, restore_arrangement
from app.clients.forms import ArrangementForm, EndForm
from app.clients.models import Arrangement, Engagement
from app.clients.policy import can_edit_engagement
from app.clients.queries import get_arrangement, get_engagement
from app.core.permissions import authorize
from app.core.web import Answer, form_id, me, redirect_to, submit, unprocessable
from app.desk.guard import guard

blueprint = guard(Blueprint("arrangements", __name__))


def _form(engagement: Engagement, arrangement: Arrangement | None = None) -> ArrangementForm:
    authorize(me(), can_edit_engagement, engagement)
    form = ArrangementForm()
    form.prepare(engagement.currency, arrangement)
    return form


def _page(engagement: Engagement, arrangement: Arrangement, end: EndForm) -> str:
    """The page of an arrangement as it is, with what was typed to end it."""
    form = ArrangementForm(formdata=None)
    form.prepare(engagement.currency, arrangement, beside=True)
    return render_template(
        "clients/arrangement.html", form=form, end=end, engagement=engagement, arrangement=arrangement
    )


@blueprint.get("/engagements/<uuid:engagement_id>/arrangements/new")
def new(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    form = _form(engagement)
    form.id.data = str(form_id(form))
    return render_template("clients/arrangement.html", form=form, engagement=engagement, arrangement=None)


@blueprint.post("/engagements/<uuid:engagement_id>/arrangements")
def create(engagement_id: UUID) -> Answer:
    engagement = get_engagement(engagement_id, seen_by=me())
    form = _form(engagement)
    arrangement_id = form_id(form)
    if submit(form, lambda: add_arrangement(arrangement_id, engagement, form.values(), by=me())):
        return redirect_to(url_for("engagements.show", engagement_id=engagement.id), "Agreed")
    return unprocessable("clients/arrangement.html", form=form, engagement=engagement, arrangement=None)


@blueprint.get("/arrangements/<uuid:arrangement_id>/edit")
def edit(arrangement_id: UUID) -> Answer:
    arrangement = get_arrangement(arrangement_id, seen_by=me())
    engagement = get_engagement(arrangement.engagement_id, seen_by=me())
    authorize(me(), can_edit_engagement, engagement)
    return _page(engagement, arrangement, EndForm(formdata=None, prefix="end"))


@blueprint.post("/arrangements/<uuid:arrangement_id>")
def update(arrangement_id: UUID) -> Answer:
    arrangement = get_arrangement(arrangement_id, seen_by=me())
    engagement = get_engagement(arrangement.engagement_id, seen_by=me())
    form = _form(engagement, arrangement)
    change = partial(change_arrangement, arrangement, by=me(), version=form.version.number)
    if submit(form, lambda: change(form.values(), reason=form.reason.data or "")):
        return redirect_to(url_for("engagements.show", engagement_id=engagement.id), "Saved")
    arrangement = get_arrangement(arrangement_id, seen_by=me())
    stale = form.version.number not in (None, arrangement.version)
    form.version.data = str(arrangement.version)
    page = render_template(
        "clients/arrangement.html", form=form, end=EndForm(formdata=None, prefix="end"), engagement=engagement,
        arrangement=arrangement, stale=stale,
    )
    return page, 409 if stale else 422


@blueprint.post("/arrangements/<uuid:arrangement_id>/archiving")
def archive(arrangement_id: UUID) -> Answer:
    """What is left of a fee is given up with it, which takes its reason; the page of the arrangement asks for it."""
    arrangement = get_arrangement(arrangement_id, seen_by=me())
    engagement = get_engagement(arrangement.engagement_id, seen_by=me())
    form = EndForm(prefix="end")
    if not submit(form, lambda: archive_arrangement(arrangement, by=me(), reason=form.reason.data or "")):
        return _page(engagement, get_arrangement(arrangement_id, seen_by=me()), form), 422
    return redirect_to(url_for("engagements.show", engagement_id=arrangement.engagement_id), "It holds no more")


@blueprint.post("/arrangements/<uuid:arrangement_id>/restoring")
def restore(arrangement_id: UUID) -> Answer:
    arrangement = get_arrangement(arrangement_id, seen_by=me())
    restore_arrangement(arrangement, by=me())
    return redirect_to(url_for("engagements.show", engagement_id=arrangement.engagement_id), "It holds again")
