"""The firm's door: signing in and out, the second factor, a forgotten password, an invitation."""

from __future__ import annotations

from flask import Blueprint, g, redirect, render_template, request, session, url_for
from flask_login import current_user

from app.core.web import Answer, arg, me, redirect_to, submit, unprocessable
from app.desk.guard import door, enter, guard, is_in, safe_next, visitor
from app.people.commands import account, links, sessions
from app.people.commands import sign_in as commands
from app.people.forms import AskResetForm, CodeForm, JoinForm, NewPasswordForm, SignInForm
from app.people.models import LinkPurpose
from app.people.queries import as_actor

blueprint = door(Blueprint("sign_in", __name__))
leaving = guard(Blueprint("sign_out", __name__))


def _agent() -> str:
    return request.user_agent.string


@blueprint.get("/sign-in")
def show() -> Answer:
    if is_in():
        return redirect(safe_next(arg("next")), 303)
    return render_template("people/sign_in.html", form=SignInForm(next=arg("next")))


@blueprint.post("/sign-in")
def create() -> Answer:
    form = SignInForm()
    found: list[commands.Entrance] = []
    if not submit(form, lambda: found.append(
        commands.sign_in(form.email.data or "", form.password.data or "", by=visitor(), agent=_agent())
    )):
        return unprocessable("people/sign_in.html", form=form)
    enter(found[0].token)
    if found[0].needs_code:
        return redirect(url_for("sign_in.code", next=form.next.data or None), 303)
    return redirect(safe_next(form.next.data), 303)


@blueprint.get("/sign-in/code")
def code() -> Answer:
    if not current_user.is_authenticated:
        return redirect(url_for("sign_in.show"), 303)
    return render_template("people/code.html", form=CodeForm(next=arg("next")))


@blueprint.post("/sign-in/code")
def create_code() -> Answer:
    if not current_user.is_authenticated:
        return redirect(url_for("sign_in.show"), 303)
    form = CodeForm()
    row, tokens = current_user.row, []
    itself = as_actor(row.person, address=request.remote_addr or "")
    if not submit(form, lambda: tokens.append(
        commands.enter_code(row, form.code.data or "", by=itself, agent=_agent())
    )):
        return unprocessable("people/code.html", form=form)
    enter(tokens[0])
    return redirect(safe_next(form.next.data), 303)


@leaving.post("/sign-out")
def delete() -> Answer:
    sessions.end_session(g.session_row, by=me())
    session.clear()
    return redirect_to(url_for("sign_in.show"), "You are signed out.")


@blueprint.get("/sign-in/link/<token>")
def link(token: str) -> Answer:
    found = links.find_link(LinkPurpose.SIGN_IN, token)
    return render_template("people/link.html", person=found.person)


@blueprint.post("/sign-in/link/<token>")
def create_by_link(token: str) -> Answer:
    enter(commands.sign_in_by_link(token, by=visitor(), agent=_agent()))
    return redirect("/", 303)


@blueprint.get("/reset")
def forgotten() -> Answer:
    return render_template("people/forgotten.html", form=AskResetForm())


@blueprint.post("/reset")
def create_reset() -> Answer:
    form = AskResetForm()
    if not submit(form, lambda: account.ask_for_reset(form.email.data or "", by=visitor())):
        return unprocessable("people/forgotten.html", form=form)
    return render_template("people/forgotten.html", form=form, asked=True)


@blueprint.get("/reset/link/<token>")
def reset(token: str) -> Answer:
    links.find_link(LinkPurpose.RESET, token)
    return render_template("people/reset.html", form=NewPasswordForm())


@blueprint.post("/reset/link/<token>")
def create_password(token: str) -> Answer:
    form = NewPasswordForm()
    if not submit(form, lambda: account.reset_password(token, form.password.data or "", by=visitor())):
        return unprocessable("people/reset.html", form=form)
    session.clear()
    return redirect_to(url_for("sign_in.show"), "Your password is set. Sign in with it.")


@blueprint.get("/invitations/link/<token>")
def invitation(token: str) -> Answer:
    person = links.find_link(LinkPurpose.INVITE, token).person
    return render_template("people/join.html", form=JoinForm(name=person.name if person else ""), person=person)


@blueprint.post("/invitations/link/<token>")
def create_person(token: str) -> Answer:
    form = JoinForm()
    person = links.find_link(LinkPurpose.INVITE, token).person
    tokens: list[str] = []
    if not submit(form, lambda: tokens.append(account.accept_invitation(
        token, by=visitor(), name=form.name.data or "", password=form.password.data or "", agent=_agent()
    ))):
        return unprocessable("people/join.html", form=form, person=person)
    enter(tokens[0])
    return redirect_to("/", "Welcome.")
