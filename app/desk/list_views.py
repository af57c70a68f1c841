"""Every list as a CSV file: those without an address of their own, and the link under each page that has one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, request, url_for

from app.core.csv_out import stream_csv
from app.core.errors import NotFound
from app.core.web import Answer, arg, me
from app.desk.guard import guard
from app.desk.lists import FILES, PAGES
from app.firm.exports import can_export, record_export

blueprint = guard(Blueprint("lists", __name__))
# Lists of bills are the file of all bills, narrowed.
BILLS = {"drafts.index": "pending", "clients.show invoices": None}


@blueprint.get("/lists/<name>.csv")
def show(name: str) -> Answer:
    found = FILES.get(name)
    if found is None:
        raise NotFound()
    record_export(name, by=me())
    rows = list(found.rows({part: arg(part) for part in found.keeps}, me()))
    return stream_csv(f"{name}.csv", found.header, rows)


def file_of_page() -> str:
    """The address of the file of the list that this page shows, or nothing."""
    actor, page = g.get("actor"), request.endpoint or ""
    if actor is None or not can_export(actor):
        return ""
    page = f"{page} {arg('section')}" if page == "clients.show" else page
    if page in BILLS:
        client = (request.view_args or {}).get("client_id")
        return url_for("billing_csv.invoices", standing=BILLS[page], client=client, q=arg("q") or None)
    name = PAGES.get(page)
    if name is None:
        return ""
    at = {**request.args.to_dict(), **(request.view_args or {})}
    return url_for("lists.show", name=name, **{part: at[part] for part in FILES[name].keeps if at.get(part)})


def _around() -> dict[str, Any]:
    return {"file_of_page": file_of_page}


def init_app(app: Flask) -> None:
    app.context_processor(_around)
