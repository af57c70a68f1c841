"""Settings: where the event log ends, who is mailed it, and which stored files were read again."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Blueprint, current_app, render_template, request, url_for

from app.activity.queries import chain_end
from app.core.errors import NotAllowed
from app.core.ids import parse_id
from app.core.permissions import Permission
from app.core.web import Answer, me, redirect_to, submit, unprocessable
from app.desk.guard import confirm_with, guard, needs_confirmation
from app.exchange.anchor_mail import choose_anchor_recipients, list_anchor_partners
from app.exchange.anchors import last_anchored
from app.exchange.objects import count_read, faults_found
from app.firm.forms import ConfirmedForm
from app.firm.policy import can_edit_settings
from app.firm.settings_menu import Setting, add_setting

blueprint = guard(Blueprint("tamper_evidence", __name__, url_prefix="/settings/tamper-evidence"))
add_setting(
    Setting(
        "Record",
        "Tamper evidence",
        "Where the event log ends, who is mailed it, files read again",
        "/settings/tamper-evidence",
        "shield",
        Permission.SETTINGS_EDIT,
    )
)
SHOWN = 50


class RecipientsForm(ConfirmedForm):
    """Who is ticked is read from the request: the partners are rows, not a field."""


def _need() -> None:
    if not can_edit_settings(me()):
        raise NotAllowed("Only a partner or an administrator changes the settings.")


def _look(form: RecipientsForm, wanted: set[UUID]) -> dict[str, Any]:
    read, objects, read_at = count_read()
    return {
        "form": form, "wanted": wanted, "partners": list_anchor_partners(seen_by=me()), "end": chain_end(),
        "anchored": last_anchored(), "read": read, "objects": objects, "read_at": read_at,
        "faults": faults_found()[:SHOWN], "ask_password": needs_confirmation(),
        "sends_mail": bool(current_app.config["SETTINGS"].smtp_url),
    }  # fmt: skip


@blueprint.get("")
def index() -> Answer:
    _need()
    wanted = {one.id for one in list_anchor_partners(seen_by=me()) if one.wanted}
    return render_template("exchange/tamper_evidence.html", **_look(RecipientsForm(), wanted))


@blueprint.post("")
def update() -> Answer:
    _need()
    form = RecipientsForm()
    wanted = {each for each in map(parse_id, request.form.getlist("partner")) if each}

    def change() -> None:
        confirm_with(form)
        choose_anchor_recipients(wanted, by=me())

    if submit(form, change):
        return redirect_to(url_for("tamper_evidence.index"), "Saved")
    return unprocessable("exchange/tamper_evidence.html", **_look(form, wanted))
