"""Comments as a fragment beside any thing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, render_template, request

from app.activity.sentences import address
from app.core.errors import Refused
from app.core.ids import new_id, parse_id
from app.core.web import Answer, is_htmx, me, redirect_to
from app.desk.comments import drawn, mentioned, sight_of, subject_of
from app.desk.guard import guard
from app.marks.commands import add_comment, delete_comment, edit_comment, restore_comment
from app.marks.models import Comment
from app.marks.queries import get_comment

blueprint = guard(Blueprint("comments", __name__, url_prefix="/comments"))


def _fragment(kind: str, subject_id: UUID, **context: Any) -> str:
    return render_template("marks/_comments.html", **drawn(kind, subject_id, seen_by=me()), **context)


def _answer(comment: Comment, message: str, **context: Any) -> Answer:
    if is_htmx():
        return _fragment(comment.subject_kind, comment.subject_id, **context)
    back = address(comment.subject_kind, comment.subject_id) or f"/{comment.subject_kind}s/{comment.subject_id}"
    return redirect_to(back, message)


@blueprint.get("/<any(job, task, client, invoice):kind>/<uuid:subject_id>")
def index(kind: str, subject_id: UUID) -> Answer:
    subject_of(kind, subject_id, seen_by=me())
    return _fragment(kind, subject_id)


@blueprint.post("/<any(job, task, client, invoice):kind>/<uuid:subject_id>")
def create(kind: str, subject_id: UUID) -> Answer:
    subject = subject_of(kind, subject_id, seen_by=me())
    body = request.form.get("body", "")
    try:
        comment_id = parse_id(request.form.get("id")) or new_id()
        comment = add_comment(comment_id, subject, body, mentioned(body), by=me())
    except Refused as refusal:
        return _fragment(kind, subject_id, body=body, error=refusal.message), 422
    return _answer(comment, "Comment added")


@blueprint.post("/<uuid:comment_id>")
def update(comment_id: UUID) -> Answer:
    comment = get_comment(comment_id, sight_of(me()), seen_by=me())
    before, body = set(mentioned(comment.body)), request.form.get("body", "")
    try:
        edit_comment(comment, body, [each for each in mentioned(body) if each not in before], by=me())
    except Refused as refusal:
        return _fragment(comment.subject_kind, comment.subject_id, editing=comment.id, edited=body,
                         error=refusal.message), 422
    return _answer(comment, "Comment changed")


@blueprint.post("/<uuid:comment_id>/removal")
def delete(comment_id: UUID) -> Answer:
    comment = get_comment(comment_id, sight_of(me()), seen_by=me())
    delete_comment(comment, by=me())
    return _answer(comment, "Comment deleted", undo=comment.id)


@blueprint.post("/<uuid:comment_id>/return")
def restore(comment_id: UUID) -> Answer:
    comment = get_comment(comment_id, sight_of(me()), seen_by=me())
    restore_comment(comment, by=me())
    return _answer(comment, "Comment is back")
