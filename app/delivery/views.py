"""The development-only page that shows every mail as it was rendered; in production it does not exist."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, current_app, jsonify, render_template, url_for

from app.core.actors import SYSTEM
from app.core.web import Answer, arg, not_found
from app.delivery.queries import get_delivery, list_deliveries

blueprint = Blueprint("dev_mail", __name__, url_prefix="/dev")


@blueprint.before_request
def in_development_only() -> None:
    if current_app.config["SETTINGS"].is_production:
        not_found()


@blueprint.get("/mail")
def index() -> Answer:
    return render_template("delivery/index.html", deliveries=list_deliveries(seen_by=SYSTEM, to=arg("to")))


@blueprint.get("/mail/<uuid:delivery_id>")
def show(delivery_id: UUID) -> Answer:
    return render_template("delivery/show.html", delivery=get_delivery(delivery_id, seen_by=SYSTEM))


@blueprint.get("/mail/<uuid:delivery_id>/letter")
def letter(delivery_id: UUID) -> Answer:
    """The letter itself, as a mail program shows it: nothing in it runs and nothing is fetched."""
    response = Response(get_delivery(delivery_id, seen_by=SYSTEM).html, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "sandbox allow-top-navigation-by-user-activation"
    )
    return response


@blueprint.get("/mail.json")
def listing() -> Answer:
    """The same for scripts and tests, newest first."""
    return jsonify([
        {
            "id": str(d.id), "kind": d.kind, "to": d.recipient, "subject": d.subject, "text": d.text, "html": d.html,
            "state": d.state.value, "created_at": d.created_at.isoformat(),
            "url": url_for("dev_mail.show", delivery_id=d.id),
        }
        for d in list_deliveries(seen_by=SYSTEM, to=arg("to"))
    ])
