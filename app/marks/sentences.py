"""Comments, in words."""

from __future__ import annotations

from app.activity.sentences import Data, sentence


@sentence("marks.comment.add", icon="message", quote="body")
def commented(data: Data) -> str:
    return f"wrote a comment on the {str(data['on']).replace('_', ' ')} {data.get('on_name', '')}".strip()


@sentence("marks.comment.edit", icon="message")
def edited(data: Data) -> str:
    return "changed a comment"


@sentence("marks.comment.delete", icon="trash")
def deleted(data: Data) -> str:
    return "took a comment back"


@sentence("marks.comment.restore", icon="undo")
def restored(data: Data) -> str:
    return "brought a comment back"
