"""How screens of time answer: back to where one was, or a word to the page that is open."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from flask import Response, render_template, request

from app.core.web import Answer, is_htmx, redirect_to


def back(otherwise: str) -> str:
    """The page of ours that the request came from."""
    came = urlsplit(request.referrer or "")
    if came.netloc != request.host or not came.path.startswith("/") or came.path.startswith("//"):
        return otherwise
    return f"{came.path}?{came.query}" if came.query else came.path


def told(
    response: Response, message: str = "", *, undo: str = "", meaning: str = "done", close_panel: bool = False
) -> Response:
    """Time has changed: the open page fetches what it shows of it anew. A toast says so, with a way back if any."""
    events: dict[str, Any] = {"time-changed": True}
    if close_panel:
        events["close-panel"] = True
    if message:
        events["toast"] = {"text": message, "meaning": meaning, **({"undo": undo} if undo else {})}
    response.headers["HX-Trigger"] = json.dumps(events)
    return response


def changed(message: str, *, to: str, undo: str = "", close_panel: bool = True) -> Answer:
    """After a change to an entry: nothing to swap for htmx, the sheet for a plain form."""
    if not is_htmx():
        return redirect_to(to, message, undo=undo)
    return told(Response(headers={"HX-Reswap": "none"}), message, undo=undo, close_panel=close_panel)


def fragment(template: str, status: int = 200, **context: Any) -> Response:
    return Response(render_template(template, **context), status=status)
