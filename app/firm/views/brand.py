"""The firm's colour and logo, for every page of both doors; open to anyone."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.core.colour import DEFAULT_ACCENT, brand_css
from app.core.errors import NotFound
from app.core.storage import storage
from app.core.web import Answer
from app.firm.queries import get_firm_facts

blueprint = Blueprint("brand", __name__)


@blueprint.get("/brand.css")
def sheet() -> Answer:
    """Pages ask for it with the firm's version, so that a browser keeps it until something changes."""
    firm = get_firm_facts()
    response = Response(brand_css(firm.accent if firm else DEFAULT_ACCENT), mimetype="text/css")
    response.add_etag()
    versioned = "v" in request.args
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if versioned else "public, max-age=60"
    return response.make_conditional(request)


@blueprint.get("/logo/<name>")
def logo(name: str) -> Answer:
    """The present logo; its address changes with it, so a browser keeps it for good."""
    firm = get_firm_facts()
    if firm is None or firm.logo_key != f"kept/logo-{name}":
        raise NotFound()
    response = Response(storage().get(firm.logo_key), mimetype="image/png")
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    response.headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'; sandbox"
    return response
