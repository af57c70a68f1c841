"""Undo: the way back that a message offers."""

from __future__ import annotations

from flask import Blueprint, request

from app.core.undo import take_back
from app.core.web import Answer, me, redirect_to
from app.desk.guard import guard, safe_next

blueprint = guard(Blueprint("undo", __name__))
LONGEST = 2000


@blueprint.post("/undo")
def create() -> Answer:
    """Do it, and draw the page anew on which it was pressed."""
    token = request.args.get("token", "")[:LONGEST]
    came = request.headers.get("HX-Current-URL") or request.referrer or ""
    message = take_back(token, by=me())
    return redirect_to(safe_next(came.removeprefix(request.host_url.rstrip("/")), "/"), message)
