"""The address without a path: where the day begins."""

from __future__ import annotations

from flask import Blueprint, redirect

from app.core.web import Answer
from app.desk.guard import guard

blueprint = guard(Blueprint("home", __name__))


@blueprint.get("/")
def show() -> Answer:
    return redirect("/work", 303)
