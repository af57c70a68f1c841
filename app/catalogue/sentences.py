"""How the timeline tells what happened to services and templates."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from app.activity.sentences import place, sentence

Data = dict[str, Any]
_TOLD = {
    "catalogue.service.create": "added the service {name}",
    "catalogue.service.edit": "edited the service {name}",
    "catalogue.service.archive": "archived the service {name}",
    "catalogue.service.restore": "took the service {name} out of the archive",
    "catalogue.service.duplicate": "made the service {name} as a copy of {of}",
    "catalogue.service.install": "added {name} from the library",
    "catalogue.stage.add": "added the stage {name}",
    "catalogue.stage.edit": "edited the stage {name}",
    "catalogue.stage.move": "moved the stage {name}",
    "catalogue.stage.remove": "removed the stage {name}",
    "catalogue.template.draft": "began version {number} of {service}",
    "catalogue.template.edit": "edited the template",
    "catalogue.template.publish": "published version {number} of {service}",
    "catalogue.template.discard": "discarded the draft of version {number}",
    "catalogue.step.add": "added the step {name}",
    "catalogue.step.edit": "edited the step {name}",
    "catalogue.step.move": "moved the step {name}",
    "catalogue.step.remove": "removed the step {name}",
    "catalogue.request.save": "saved the client request {name} ({items} items)",
    "catalogue.request.remove": "removed the client request {name}",
    "catalogue.deadline.add": "added the deadline {name}",
    "catalogue.deadline.renew": "confirmed the law of {edition} for {name}",
    "catalogue.deadline.remove": "removed the deadline {name}",
}


def _teller(words: str) -> Any:
    return lambda data: words.format(**data)


for _kind, _words in _TOLD.items():
    sentence(_kind)(_teller(_words))


@place("service")
def _service(subject_id: UUID) -> str:
    return f"/services/{subject_id}"


@place("job_template")
def _template(subject_id: UUID) -> str:
    return f"/templates/{subject_id}"
