"""How what happened to requests and in the portal reads in a timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import url_for

from app.activity.sentences import place, sentence
from app.core.wording import counted

Data = Mapping[str, Any]


def _name(data: Data) -> str:
    return f"“{data.get('name') or data.get('request') or 'a request'}”"


def _label(data: Data) -> str:
    return f"“{data.get('label', 'something')}” of {_name(data)}"


def _submitted(data: Data) -> str:
    missing = int(data.get("missing") or 0)
    said = f"handed over {counted(data.get('items', 0), 'answer')} to {_name(data)}"
    return f"{said}, {missing} still missing" if missing else f"{said}: everything is there"


WORDS: dict[str, Callable[[Data], str]] = {
    "requests.request.created": lambda d: f"wrote the request {_name(d)}",
    "requests.request.changed": lambda d: f"changed the request {_name(d)}",
    "requests.request.deleted": lambda d: f"deleted the draft {_name(d)}",
    "requests.request.sent": lambda d: f"sent {_name(d)} to {', '.join(d.get('to') or ['the client'])}",
    "requests.request.unreachable": lambda d: (
        f"could not ask for {_name(d)}: nobody at {d.get('client') or 'the client'} has an address and the portal"
    ),
    "requests.request.held": lambda d: f"held {_name(d)} back",
    "requests.request.released": lambda d: f"let {_name(d)} go out at its moment",
    "requests.request.unlocked": lambda d: f"let the days of {_name(d)} follow the job's again",
    "requests.request.rescheduled": lambda d: f"moved the asking of {_name(d)} to {d.get('send_on', 'another day')}",
    "requests.request.viewed": lambda d: f"looked at {_name(d)}",
    "requests.request.submitted": _submitted,
    "requests.request.accepted": lambda d: f"accepted everything of {_name(d)}",
    "requests.request.returned": lambda d: f"told the client what of {_name(d)} was sent back",
    "requests.request.cancelled": lambda d: f"cancelled {_name(d)}",
    "requests.request.reopened": lambda d: f"opened {_name(d)} again",
    "requests.request.reminded": lambda d: f"reminded of {_name(d)} ({d.get('number', 1)})",
    "requests.reminders.paused": lambda d: f"paused the reminders of {_name(d)}",
    "requests.reminders.resumed": lambda d: f"let the reminders of {_name(d)} go on",
    "requests.item.accepted": lambda d: f"accepted {_label(d)}",
    "requests.item.returned": lambda d: f"sent back {_label(d)}: {d.get('reason', '')}",
    "requests.item.reopened": lambda d: f"took back {_label(d)} to change it",
    "requests.item.answered_for_client": lambda d: f"entered {_label(d)} for the client",
    "requests.file.removed": lambda d: f"took a file of {_name(d)} back",
    "clients.session.opened": lambda d: f"came in by {'a request’s link' if d.get('request') else 'a sign-in link'}",
    "clients.session.ended": lambda d: "signed out of the portal",
    "billing.invoice.viewed": lambda d: f"looked at invoice {d.get('number', '')}",
    "billing.invoice.downloaded": lambda d: f"downloaded invoice {d.get('number', '')}",
}
for _kind, _words in WORDS.items():
    sentence(_kind)(_words)


@place("client_request")
def _request(subject_id: UUID) -> str:
    return url_for("requests.show", request_id=subject_id)


@place("request_item")
def _item(subject_id: UUID) -> str:
    return url_for("request_items.show_request", item_id=subject_id)
