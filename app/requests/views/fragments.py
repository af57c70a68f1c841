"""Requests and files on the pages of clients and jobs."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, render_template

from app.clients.queries import get_client
from app.core.web import Answer, me
from app.desk.guard import guard
from app.documents.queries import names_of_adders
from app.jobs.queries.jobs import get_job
from app.requests.queries import RequestFilters, count_in, documents_of_job, list_requests

blueprint = guard(Blueprint("request_fragments", __name__))


@blueprint.get("/clients/<uuid:client_id>/requests", endpoint="of_client")
def of_client(client_id: UUID) -> Answer:
    client = get_client(client_id, seen_by=me())
    found = RequestFilters(view="all", client_id=client_id)
    rows, more = list_requests(found, seen_by=me())
    return render_template("requests/_of_client.html", client=client, rows=rows, more=more,
                           total=count_in(found, seen_by=me()))


@blueprint.get("/jobs/<uuid:job_id>/requests", endpoint="of_job")
def of_job(job_id: UUID) -> Answer:
    job = get_job(job_id, seen_by=me())
    rows, _more = list_requests(RequestFilters(view="all", job_id=job_id), seen_by=me())
    return render_template("requests/_of_job.html", job=job, rows=rows)


@blueprint.get("/jobs/<uuid:job_id>/documents", endpoint="documents_of_job")
def documents_of(job_id: UUID) -> Answer:
    """What came with the job's requests, and what lies with its engagement."""
    job = get_job(job_id, seen_by=me())
    documents = documents_of_job(job, seen_by=me())
    return render_template("documents/_of_job.html", job=job, documents=documents,
                           adders=names_of_adders(documents, seen_by=me()))


