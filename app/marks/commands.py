"""Writing, changing and taking back comments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.activity.commands import record
from app.core.actors import Actor
from app.core.clock import now
from app.core.db import transaction
from app.core.errors import Refused
from app.core.once import digest_of, made_before
from app.core.permissions import authorize
from app.marks.models import Comment
from app.marks.policy import can_comment

LONGEST = 20_000


def add_comment(comment_id: UUID, subject: Any, body: str, mentions: Sequence[UUID] = (), *, by: Actor) -> Comment:
    """A note beside a job, task, client or invoice. `mentions` are the people named in it; they are told."""
    authorize(by, can_comment)
    body = _checked(body)
    with transaction() as session:
        said = digest_of(subject, body, by.id)
        existing = made_before(Comment, comment_id, said)
        if existing is not None:
            return existing
        table = subject.__tablename__
        comment = Comment(
            id=comment_id, subject_kind=table, subject_id=subject.id, author_id=by.id, body=body, created_at=now(),
            made_from=said,
            client_id=subject.id if table == "client" else getattr(subject, "client_id", None),
            engagement_id=getattr(subject, "engagement_id", None),
            job_id=subject.id if table == "job" else getattr(subject, "job_id", None),
        )
        session.add(comment)
        record("marks.comment.add", comment, by=by, topics=(_topic(comment),), body=body, mentions=list(mentions),
               on=table, subject_id=subject.id, on_name=_name(subject))
        return comment


def edit_comment(comment: Comment, body: str, mentions: Sequence[UUID] = (), *, by: Actor) -> Comment:
    """Only who is named for the first time is told again."""
    authorize(by, can_comment, comment)
    body = _checked(body)
    with transaction():
        if comment.deleted_at:
            raise Refused("This comment was deleted meanwhile.")
        if comment.body != body:
            before, comment.body, comment.edited_at = comment.body, body, now()
            record("marks.comment.edit", comment, by=by, topics=(_topic(comment),), changes={"body": [before, body]},
                   mentions=list(mentions), on=comment.subject_kind, subject_id=comment.subject_id)
        return comment


def delete_comment(comment: Comment, *, by: Actor) -> None:
    """Out of sight; it can be brought back."""
    authorize(by, can_comment, comment)
    with transaction():
        if comment.deleted_at is None:
            comment.deleted_at = now()
            record("marks.comment.delete", comment, by=by, topics=(_topic(comment),), on=comment.subject_kind)


def restore_comment(comment: Comment, *, by: Actor) -> None:
    authorize(by, can_comment, comment)
    with transaction():
        if comment.deleted_at is not None:
            comment.deleted_at = None
            record("marks.comment.restore", comment, by=by, topics=(_topic(comment),), on=comment.subject_kind)


def _checked(body: str) -> str:
    body = body.strip()
    if not body:
        raise Refused("Write something first.", field="body")
    if len(body) > LONGEST:
        raise Refused(f"A comment has at most {LONGEST:,} characters; this one has {len(body):,}.", field="body")
    return body


def _topic(comment: Comment) -> str:
    return f"comments:{comment.subject_kind}:{comment.subject_id}"


def _name(subject: Any) -> str:
    return str(next((getattr(subject, key) for key in ("name", "title", "number") if getattr(subject, key, None)), ""))
