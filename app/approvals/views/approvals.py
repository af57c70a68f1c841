"""What waits for a decision, what was asked for, and one of them: to approve, decline, withdraw."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, Flask, render_template, request, url_for

from app.approvals.commands import decline_approval, withdraw_approval
from app.approvals.kinds import meaning_of
from app.approvals.models import Approval, Decision
from app.approvals.policy import can_decide, can_withdraw
from app.approvals.queries import approvers_of, count_to_decide, get_approval, list_asked, list_to_decide
from app.core.db import db
from app.core.errors import Refused
from app.core.web import Answer, arg, me, page_number, redirect_to
from app.desk.guard import guard

blueprint = guard(Blueprint("approvals", __name__, url_prefix="/billing/approvals"))


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(called=lambda approval: meaning_of(approval.kind).words(approval),
                                 approval_url=lambda approval: meaning_of(approval.kind).url(approval))


@blueprint.get("")
def index() -> Answer:
    """Mine to decide, or mine asked."""
    asked = arg("show") == "asked"
    rows, more = (list_asked if asked else list_to_decide)(seen_by=me(), page=page_number())
    total = None if asked else count_to_decide(seen_by=me())
    return render_template(
        "approvals/index.html", rows=rows, has_next=more, page=page_number(), asked=asked, Decision=Decision,
        total=total,
    )


def _facts(approval: Approval) -> dict[str, Any]:
    pending = approval.decision is Decision.PENDING
    approvers = approvers_of(approval.id) if pending else []
    return {
        "approval": approval,
        "pending": pending,
        "Decision": Decision,
        "entries": meaning_of(approval.kind).entries(approval, me()),
        "approvers": approvers,
        "may_decide": pending and can_decide(me(), approval) and (
            me().person_id in {person.id for person in approvers}
            or (not approval.second_person and me().person_id == approval.asked_by)
        ),
        "may_withdraw": pending and can_withdraw(me(), approval),
        "word": "",
        "error": "",
    }


@blueprint.get("/<uuid:approval_id>")
def show(approval_id: UUID) -> Answer:
    return render_template("approvals/show.html", **_facts(get_approval(approval_id, seen_by=me())))


@blueprint.post("/<uuid:approval_id>/approval")
def approve(approval_id: UUID) -> Answer:
    """Do what was asked for; what has changed since is refused with what was and what is."""
    approval = get_approval(approval_id, seen_by=me())
    if approval.decision is not Decision.PENDING:
        return redirect_to(url_for("approvals.index"), f"It was {approval.decision.value} already")
    try:
        meaning_of(approval.kind).approve(approval, me())
    except Refused as refusal:
        return _refused(approval_id, refusal.message)
    return redirect_to(url_for("approvals.index"), f"{meaning_of(approval.kind).words(approval)} approved")


@blueprint.post("/<uuid:approval_id>/declination")
def decline(approval_id: UUID) -> Answer:
    word = request.form.get("word", "").strip()[:500]
    try:
        decline_approval(get_approval(approval_id, seen_by=me()), word, by=me())
    except Refused as refusal:
        return _refused(approval_id, refusal.message, word)
    return redirect_to(url_for("approvals.index"), "Declined; everything stays as it was")


@blueprint.post("/<uuid:approval_id>/withdrawal")
def withdraw(approval_id: UUID) -> Answer:
    withdraw_approval(get_approval(approval_id, seen_by=me()), by=me())
    return redirect_to(url_for("approvals.index", show="asked"), "Withdrawn; everything stays as it was")


def _refused(approval_id: UUID, message: str, word: str = "") -> Answer:
    """The page of it, as it is now, with what stands in the way and what was typed."""
    db.session.expire_all()
    approval = get_approval(approval_id, seen_by=me())
    return render_template("approvals/show.html", **_facts(approval) | {"error": message, "word": word}), 422
