"""One page of what failed: what, why, since when, and trying again."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Flask, render_template, request, url_for

from app.activity.sentences import address, place
from app.billing.policy import can_see_invoices
from app.billing.queries.invoices import count_failed, list_failed
from app.core.permissions import Permission
from app.core.web import Answer, me, page_number, redirect_to
from app.delivery.again import can_go_again
from app.delivery.commands import let_be, send_again
from app.delivery.models import Delivery
from app.desk.failures.queries import count_stuck_mails, get_mail, list_stuck_mails
from app.desk.guard import guard, safe_next
from app.firm.settings_menu import Setting, add_setting
from app.runs.commands import forget_failed_work, try_failed_work
from app.runs.queries import get_failed_work, list_failed_work

blueprint = guard(Blueprint("failures", __name__, url_prefix="/failures"))
add_setting(
    Setting("Record", "What failed", "Mails that do not arrive, bills without a PDF, work that ended in an error",
            "/failures/", "alert")
)


@blueprint.get("/")
def index() -> Answer:
    mails, has_next = list_stuck_mails(seen_by=me(), page=page_number())
    sees_bills = can_see_invoices(me())
    return render_template(
        "desk/failures/index.html", sees_bills=sees_bills, bills=list_failed(seen_by=me()) if sees_bills else [],
        failed_bills=count_failed(seen_by=me()) if sees_bills else 0, mails=mails, has_next=has_next,
        page=page_number(), total=count_stuck_mails(seen_by=me()), works=list_failed_work(seen_by=me()),
        sees_work=me().may(Permission.SETTINGS_EDIT),
    )


@blueprint.get("/mails/<uuid:delivery_id>")
def show_mail(delivery_id: UUID) -> Answer:
    return render_template("desk/failures/mail.html", mail=get_mail(delivery_id, seen_by=me()))


@blueprint.post("/mails/<uuid:delivery_id>/again")
def create_again(delivery_id: UUID) -> Answer:
    mail = get_mail(delivery_id, seen_by=me())
    send_again(mail, by=me())
    return redirect_to(_back(), f"On its way to {mail.recipient_name or mail.recipient} again")


@blueprint.post("/mails/<uuid:delivery_id>/rest")
def create_rest(delivery_id: UUID) -> Answer:
    let_be(get_mail(delivery_id, seen_by=me()), by=me())
    return redirect_to(_back(), "It is left as it is")


@blueprint.post("/work/<uuid:work_id>/again")
def create_work_again(work_id: UUID) -> Answer:
    try_failed_work(get_failed_work(work_id, seen_by=me()), by=me())
    return redirect_to(url_for("failures.index"), "It is being tried again")


@blueprint.post("/work/<uuid:work_id>/rest")
def create_work_rest(work_id: UUID) -> Answer:
    forget_failed_work(get_failed_work(work_id, seen_by=me()), by=me())
    return redirect_to(url_for("failures.index"), "It is left as it is")


def _back() -> str:
    """To the page that it was pressed on."""
    return safe_next(request.form.get("back"), url_for("failures.index"))


@place("delivery")
def _mail(subject_id: UUID) -> str:
    return f"/failures/mails/{subject_id}"


def place_of_mail(mail: Delivery) -> str:
    """Where what the mail is about is looked at; empty when nowhere."""
    return address(mail.about_kind, mail.about_id) if mail.about_id else ""


def init_app(app: Flask) -> None:
    app.jinja_env.globals.update(can_go_again=can_go_again, place_of_mail=place_of_mail)
