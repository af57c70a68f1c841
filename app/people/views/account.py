"""One's own account: name, address, password, second factor, and where one is signed in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, g, render_template, request, session, url_for
from markupsafe import Markup

from app.core.sealing import seal, unseal
from app.core.web import Answer, me, redirect_to, submit, unprocessable, version_of
from app.desk.guard import confirm_with, enter, guard, needs_confirmation
from app.people import totp as codes_of
from app.people.commands import account, codes, sessions
from app.people.forms import EmailForm, EnrolForm, PasswordForm, PresentPassword, ProfileForm
from app.people.queries import list_own_sessions

blueprint = guard(Blueprint("account", __name__, url_prefix="/account"))
ENROLMENT = "enrolment"


def _page(template: str, **context: Any) -> str:
    return render_template(f"people/account/{template}.html", ask_password=needs_confirmation(), **context)


def _again(template: str, **context: Any) -> Answer:
    return unprocessable(f"people/account/{template}.html", ask_password=needs_confirmation(), **context)


@blueprint.get("")
def show() -> Answer:
    return _page("show", form=ProfileForm(obj=g.person).offer(g.country), **_signed_in())


@blueprint.post("")
def update() -> Answer:
    form = ProfileForm().offer(g.country)
    if submit(form, lambda: account.edit_profile(
        g.person, by=me(), name=form.name.data or "", initials=form.initials.data or "",
        number_format=form.number_format.data, version=version_of(form),
    )):
        return redirect_to(url_for("account.show"), "Saved")
    return _again("show", form=form, **_signed_in())


@blueprint.get("/email")
def email() -> Answer:
    return _page("email", form=EmailForm(obj=g.person))


@blueprint.post("/email")
def update_email() -> Answer:
    form = EmailForm()

    def change() -> None:
        confirm_with(form)
        account.change_email(g.person, form.email.data or "", by=me())

    if submit(form, change):
        return redirect_to(url_for("account.show"), "Your address is changed")
    return _again("email", form=form)


@blueprint.get("/password")
def password() -> Answer:
    return _page("password", form=PasswordForm())


@blueprint.post("/password")
def update_password() -> Answer:
    form = PasswordForm()

    def change() -> None:
        confirm_with(form)
        account.change_password(
            g.person, form.password.data or "", by=me(), keep=g.session_row.id, end_others=bool(form.end_others.data)
        )

    if submit(form, change):
        return redirect_to(url_for("account.show"), "Your password is changed")
    return _again("password", form=form)


@blueprint.get("/second-factor")
def totp() -> Answer:
    if g.person.totp_secret is not None:
        return _page("second_factor", form=PresentPassword(), left=len(g.person.recovery_hashes or []))
    return _page("enrol", **_enrolment(EnrolForm()))


@blueprint.post("/second-factor")
def enrol() -> Answer:
    form = EnrolForm()
    made: list[tuple[str, list[str]]] = []

    def switch_on() -> None:
        confirm_with(form)
        made.append(codes.enrol(
            g.session_row, by=me(), secret=unseal(form.secret.data or "", purpose=ENROLMENT), code=form.code.data or "",
            agent=request.user_agent.string,
        ))

    if not submit(form, switch_on):
        return _again("enrol", **_enrolment(form))
    enter(made[0][0])
    return _page("recovery_codes", codes=made[0][1])


@blueprint.post("/second-factor/recovery-codes")
def renew() -> Answer:
    form = PresentPassword()
    made: list[str] = []

    def make() -> None:
        confirm_with(form)
        made.extend(codes.renew_recovery_codes(g.person, by=me()))

    if submit(form, make):
        return _page("recovery_codes", codes=made)
    return _again("second_factor", form=form, left=len(g.person.recovery_hashes or []))


@blueprint.post("/second-factor/removal")
def remove() -> Answer:
    form = PresentPassword()

    def take_off() -> None:
        confirm_with(form)
        codes.remove_second_factor(g.person, by=me(), keep=g.session_row.id, required=g.firm.require_totp)

    if submit(form, take_off):
        return redirect_to(url_for("account.show"), "The second factor is off")
    return _again("second_factor", form=form, left=len(g.person.recovery_hashes or []))


@blueprint.post("/sessions/<uuid:session_id>/end")
def end_session(session_id: UUID) -> Answer:
    row = sessions.get_own_session(session_id, seen_by=me())
    sessions.end_session(row, by=me())
    if row.id == g.session_row.id:
        session.clear()
        return redirect_to(url_for("sign_in.show"), "You are signed out.")
    return redirect_to(url_for("account.show"), "Signed out there")


@blueprint.post("/sessions/end-others")
def end_other_sessions() -> Answer:
    count = sessions.end_other_sessions(g.person, by=me(), keep=g.session_row.id)
    return redirect_to(url_for("account.show"), f"Signed out in {count} other {'place' if count == 1 else 'places'}")


def _signed_in() -> dict[str, Any]:
    return {"sessions": list_own_sessions(seen_by=me()), "current": g.session_row}


def _enrolment(form: EnrolForm) -> dict[str, Any]:
    """The secret travels sealed in the form, so that nothing is stored before its first code was right."""
    if form.secret.data:
        secret = unseal(form.secret.data, purpose=ENROLMENT)
    else:
        secret = codes_of.new_secret()
        form.secret.data = seal(secret, purpose=ENROLMENT)
    uri = codes_of.enrolment_uri(secret, email=g.person.email, firm=g.firm.name)
    spaced = " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
    return {"form": form, "qr": Markup(codes_of.qr_svg(uri)), "secret": spaced, "required": g.firm.require_totp}
