"""The sections of the client page, in their order. A room adds its own with one line."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from app.core.actors import Actor
from app.core.permissions import Permission


@dataclass(frozen=True)
class Section:
    """`endpoint` is a GET view that takes `client_id` and answers a fragment, whoever asks."""

    key: str
    label: str
    endpoint: str
    permission: str = ""


SECTIONS = (
    Section("jobs", "Jobs", "jobs.client_section"),
    Section("recurring", "Recurring", "series.client_section"),
    Section("requests", "Requests", "request_fragments.of_client"),
    Section("documents", "Documents", "documents.client_section"),
    Section("time", "Time", "time.client_section"),
    Section("wip", "WIP", "wip.client_section", Permission.WIP_SEE),
    Section("invoices", "Invoices", "invoices.client_section", Permission.WIP_SEE),
    Section("balance", "Balance", "payments.client_section", Permission.WIP_SEE),
    Section("contacts", "Contacts", "contacts.of_client"),
    Section("engagements", "Engagements", "engagements.of_client"),
    Section("timeline", "Timeline", "timeline.of_client"),
)


def sections_for(actor: Actor) -> list[Section]:
    """Those that exist and that this person may open."""
    known = current_app.view_functions
    return [s for s in SECTIONS if s.endpoint in known and (not s.permission or actor.may(s.permission))]
