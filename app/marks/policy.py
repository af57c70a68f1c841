"""Who writes comments, and who changes them."""

from __future__ import annotations

from app.core.actors import Actor
from app.marks.models import Comment


def can_comment(by: Actor, comment: Comment | None = None) -> bool:
    """Any colleague writes; only who wrote a comment changes it."""
    return by.is_person and (comment is None or comment.author_id == by.id)
