"""The clients' door: its screens, each behind the same guard."""

from __future__ import annotations

from flask import Blueprint

from portal import account, documents, home, invoices, jobs, requests, sign_in, uploads
from portal.door import around, enter, leave

blueprint = Blueprint("portal", __name__, url_prefix="/portal")
blueprint.before_request(enter)
blueprint.teardown_request(leave)
blueprint.context_processor(around)
for part in (home, requests, uploads, documents, jobs, invoices, account, sign_in):
    blueprint.register_blueprint(part.blueprint)
