"""What other rooms show on the job page, by the names of their endpoints: a tab each, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from flask import current_app
from markupsafe import Markup


@dataclass(frozen=True)
class JobSection:
    """`endpoint` is a GET view that answers a fragment, for `job_id` or for what `names` calls it instead."""

    key: str
    label: str
    endpoint: str
    job: str = "job_id"
    more: Mapping[str, str] = field(default_factory=dict)

    def draw(self, job_id: UUID) -> Markup:
        """Its fragment, within this request."""
        view: Any = current_app.view_functions[self.endpoint]
        return Markup(view(**{self.job: job_id, **self.more}))


SECTIONS = (
    JobSection("requests", "Asked of the client", "request_fragments.of_job"),
    JobSection("documents", "Documents", "request_fragments.documents_of_job"),
    JobSection("time", "Time", "time.job_section"),
    JobSection("wip", "WIP", "wip.job_section"),
    JobSection("comments", "Comments", "comments.index", "subject_id", {"kind": "job"}),
    JobSection("timeline", "What happened", "timeline.of_subject", "subject_id", {"subject_kind": "job"}),
)


def job_sections() -> list[JobSection]:
    """Those that exist; one whose room is not there has no tab."""
    return [section for section in SECTIONS if section.endpoint in current_app.view_functions]
