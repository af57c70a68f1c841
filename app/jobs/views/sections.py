"""What other rooms show on the job page: fragments by the names of their endpoints, in order."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app


@dataclass(frozen=True)
class JobSection:
    """`endpoint` is a GET view that takes `job_id` and answers a fragment; one that does not exist is not shown."""

    key: str
    label: str
    endpoint: str


SECTIONS = (
    JobSection("requests", "Asked of the client", "request_fragments.of_job"),
    JobSection("documents", "Documents", "request_fragments.documents_of_job"),
    JobSection("time", "Time", "time.job_section"),
    JobSection("wip", "WIP", "wip.job_section"),
)


def job_sections() -> list[JobSection]:
    return [section for section in SECTIONS if section.endpoint in current_app.view_functions]
