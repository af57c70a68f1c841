"""Every list as a CSV file: those without an address of their own, and the link under each page that has one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, g, request, url_for

from app.core.errors import NotFound
from app.core.web import Answer, arg, me
from app.desk.guard import guard
from app.desk.lists import FILES, PAGES
from app.firm.exports import can_export, hand_out

blueprint = guard(Blueprint("lists", __name__))
# Lists that are the file of a whole list, narrowed to a client or a job.
NARROWED = {
    "drafts.index": "billing_csv.invoices", "clients.show invoices": "billing_csv.invoices",
    "clients.show requests": "requests.export", "jobs.show requests": "requests.export",
}


@blueprint.get("/lists/<name>.csv")
def show(name: str) -> Answer:
    found = FILES.get(name)
    if found is None:
        raise NotFound()
    asked, actor = {part: arg(part) for part in found.keeps}, me()
    return hand_out(name, f"{name}.csv", found.header, lambda: found.rows(asked, actor), by=actor)


def file_of_page() -> str:
    """The address of the file of the list that this page shows, or nothing."""
    actor, page = g.get("actor"), request.endpoint or ""
    if actor is None or not can_export(actor):
        return ""
    page = f"{page} {arg('section')}".rstrip() if page in ("clients.show", "jobs.show") else page
    at = {**request.args.to_dict(), **(request.view_args or {})}
    if page in NARROWED:
        which = arg("standing") if arg("standing") in ("draft", "awaiting") else "pending"
        standing = which if page == "drafts.index" else None
        return url_for(
            NARROWED[page], client=at.get("client_id"), job=at.get("job_id"), standing=standing, q=arg("q") or None
        )
    name = PAGES.get(page)
    if name is None:
        return ""
    return url_for("lists.show", name=name, **{part: at[part] for part in FILES[name].keeps if at.get(part)})


def _around() -> dict[str, Any]:
    return {"file_of_page": file_of_page}


def init_app(app: Flask) -> None:
    app.context_processor(_around)
