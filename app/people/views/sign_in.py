"""The firm's door."""

from __future__ import annotations

from flask import Blueprint, render_template

from app.core.web import Answer, arg
from app.desk.guard import door
from app.people.forms import SignInForm

blueprint = door(Blueprint("sign_in", __name__))


@blueprint.get("/sign-in")
def show() -> Answer:
    return render_template("people/sign_in.html", form=SignInForm(next=arg("next")))
