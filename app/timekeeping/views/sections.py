"""Lists of time: as a section of the client page and of the job page, and what a figure of hours opens."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import render_template, request, url_for

from app.clients.queries import get_client
from app.core.permissions import Permission
from app.core.web import Answer, me, page_number
from app.jobs.queries.jobs import get_job
from app.people.filters import people_asked
from app.timekeeping.policy import can_see_all_time, can_see_rates
from app.timekeeping.queries import PAGE, list_entries
from app.timekeeping.totals import EntryFilter, list_found, total_by_person
from app.timekeeping.views.entries import blueprint as time
from app.timekeeping.views.files import entries_asked


@time.get("/time/entries")
def entries() -> Answer:
    """The entries behind a figure of hours."""
    found = entries_asked()
    asked = {key: value for key, value in request.args.items() if key != "page" and value}
    return render_template(
        "timekeeping/entries.html", found=found, page=list_found(found, seen_by=me(), page=page_number()),
        people=people_asked("person"), per_page=PAGE, asked=asked, may_pick=can_see_all_time(me()),
        may_export=me().may(Permission.EXPORT),
    )


@time.get("/clients/<uuid:client_id>/time")
def client_section(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    return _section(
        EntryFilter(client_id=client.id), url_for("time.client_section", client_id=client.id),
        url_for("clients.show", client_id=client.id, section="time"), client=client.id,
    )


@time.get("/jobs/<uuid:job_id>/time")
def job_section(job_id: UUID) -> Answer:
    job = get_job(job_id, seen_by=me())
    return _section(
        EntryFilter(job_id=job.id), url_for("time.job_section", job_id=job.id),
        url_for("jobs.show", job_id=job.id, section="time"), job=job.id,
    )


def _section(found: EntryFilter, path: str, whole: str, **narrowed: Any) -> Answer:
    """`path` draws the section alone, `whole` the page that it stands in."""
    page = page_number()
    rows = list_entries(seen_by=me(), client_id=found.client_id, job_id=found.job_id, page=page)
    return render_template(
        "timekeeping/_section.html",
        entries=rows[:PAGE],
        has_next=len(rows) > PAGE,
        page=page,
        totals=total_by_person(found, seen_by=me()),
        sees_rates=can_see_rates(me()),
        may_export=me().may(Permission.EXPORT),
        narrowed=narrowed,
        path=path,
        whole=whole,
    )


__all__ = ["time"]
