"""Reading comments. What may be seen of their subject is decided above, and handed in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db, get_or_404
from app.core.errors import NotFound
from app.marks.models import Comment

Sight = Sequence[sa.ColumnElement[bool]]


def list_comments(
    subject_kind: str, subject_id: UUID, sight: Sight, author: sa.ColumnElement[str], *, seen_by: Actor,
    limit: int = 200,
) -> list[tuple[Comment, str]]:
    """A thing's comments with whose they are, oldest first, deleted ones left out; clients see none.

    `author` says the name, over Comment's columns.
    """
    if not seen_by.is_person:
        return []
    rows = db.session.execute(
        sa.select(Comment, author.label("author")).where(
            Comment.subject_kind == subject_kind, Comment.subject_id == subject_id, Comment.deleted_at.is_(None), *sight
        ).order_by(Comment.created_at.desc(), Comment.id.desc()).limit(limit)
    ).all()
    return [(comment, name) for comment, name in reversed(rows)]


def how_many(subject_kind: str, subject_id: Any, sight: Sight) -> sa.ScalarSelect[int]:
    """How many comments stand on a thing, as one value of a larger question."""
    return sa.select(sa.func.count()).where(
        Comment.subject_kind == subject_kind, Comment.subject_id == subject_id, Comment.deleted_at.is_(None), *sight
    ).scalar_subquery()


def get_comment(comment_id: UUID, sight: Sight, *, seen_by: Actor) -> Comment:
    if not seen_by.is_person:
        raise NotFound()
    return get_or_404(sa.select(Comment).where(Comment.id == comment_id, *sight))
