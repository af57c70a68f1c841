"""Setting up an empty firm."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, url_for

from app.core.web import Answer
from app.firm.queries import get_firm_facts

blueprint = Blueprint("setup", __name__)


@blueprint.get("/setup")
def show() -> Answer:
    if get_firm_facts() is not None:
        return redirect(url_for("sign_in.show"), 303)
    return render_template("setup/show.html")
