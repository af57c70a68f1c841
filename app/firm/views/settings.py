"""The settings page, the firm's name and look, its security."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, request, url_for

from app.core.errors import NotAllowed
from app.core.web import Answer, me, redirect_to, submit, unprocessable, version_of
from app.desk.guard import confirm_with, guard, needs_confirmation
from app.firm.commands import firm as commands
from app.firm.forms import FirmForm, LogoForm, SecurityForm, zones
from app.firm.policy import can_edit_settings
from app.firm.queries import the_firm
from app.firm.settings_menu import settings_for

blueprint = guard(Blueprint("settings", __name__, url_prefix="/settings"))


def need_settings() -> None:
    """Every screen of the settings but their list is for those who may change them."""
    if not can_edit_settings(me()):
        raise NotAllowed("Only a partner or an administrator changes the settings.")


@blueprint.get("")
def index() -> Answer:
    return render_template("firm/index.html", groups=settings_for(me()))


@blueprint.get("/firm")
def firm() -> Answer:
    need_settings()
    return render_template("firm/firm.html", **_look(FirmForm(obj=the_firm())))


@blueprint.post("/firm")
def update_firm() -> Answer:
    need_settings()
    form = FirmForm()
    if submit(form, lambda: commands.update_firm(the_firm(), form.look(), by=me(), version=version_of(form))):
        return redirect_to(url_for("settings.firm"), "Saved")
    return unprocessable("firm/firm.html", **_look(form))


@blueprint.post("/firm/logo")
def set_logo() -> Answer:
    need_settings()
    form = LogoForm()
    file = request.files.get("logo")
    body = file.read(commands.LARGEST_LOGO + 1) if file is not None else b""
    if submit(form, lambda: commands.set_logo(the_firm(), body, by=me())):
        return redirect_to(url_for("settings.firm"), "The logo is set")
    return unprocessable("firm/firm.html", **_look(FirmForm(formdata=None, obj=the_firm()), form))


@blueprint.post("/firm/logo/removal")
def remove_logo() -> Answer:
    commands.remove_logo(the_firm(), by=me())
    return redirect_to(url_for("settings.firm"), "The logo is gone")


@blueprint.get("/security")
def security() -> Answer:
    need_settings()
    return render_template("firm/security.html", form=SecurityForm(obj=the_firm()), ask_password=needs_confirmation())


@blueprint.post("/security")
def update_security() -> Answer:
    need_settings()
    form = SecurityForm()

    def change() -> None:
        confirm_with(form)
        commands.require_second_factor(the_firm(), bool(form.require_totp.data), by=me())

    if submit(form, change):
        return redirect_to(url_for("settings.security"), "Saved")
    return unprocessable("firm/security.html", form=form, ask_password=needs_confirmation())


def _look(form: FirmForm, logo_form: LogoForm | None = None) -> dict[str, Any]:
    return {"form": form, "logo_form": logo_form or LogoForm(formdata=None), "zones": zones()}
