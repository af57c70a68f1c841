"""How limits and approvals read in a timeline."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import url_for

from app.activity.sentences import place, sentence
from app.core.wording import amount

Data = Mapping[str, Any]
ROLES = {
    "partner": "partners", "manager": "managers", "staff": "staff", "billing": "billing", "admin": "administrators",
}
THINGS = {"bill": "a bill", "write_off": "a write-off", "fee": "a fee lowered"}


def _thing(data: Data) -> str:
    currency = str(data["currency"])
    return f"{THINGS[data['what']]} over {amount(Decimal(data['amount']), currency)} {currency}"


def _word(data: Data) -> str:
    return f": {data['word']}" if data.get("word") else ""


@sentence("approvals.approval.asked", icon="review")
def asked(data: Data) -> str:
    return f"asked for the approval of {_thing(data)}"


@sentence("approvals.approval.approved", icon="check")
def approved(data: Data) -> str:
    return f"approved {_thing(data)}"


@sentence("approvals.approval.declined", icon="undo")
def declined(data: Data) -> str:
    return f"declined {_thing(data)}{_word(data)}"


@sentence("approvals.approval.withdrawn", icon="undo")
def withdrawn(data: Data) -> str:
    return f"withdrew the request to approve {_thing(data)}{_word(data)}"


def _limit(data: Data) -> str:
    whose = data.get("person") or ROLES[data["role"]]
    what = {"bill": "bills", "write_off": "write-offs"}[data["what"]]
    return f"for {what} of {whose}"


@sentence("approvals.limit.set", icon="money")
def limit_set(data: Data) -> str:
    if data.get("amount") is None:
        return f"set no limit {_limit(data)}"
    currency = str(data["currency"])
    return f"set the limit {_limit(data)} to {amount(Decimal(data['amount']), currency)} {currency}"


@sentence("approvals.limit.withdrawn", icon="undo")
def limit_withdrawn(data: Data) -> str:
    return f"withdrew a limit {_limit(data)}"


@place("approval")
def _approval_place(subject_id: UUID) -> str:
    return url_for("approvals.show", approval_id=subject_id)


@place("approval_limit")
def _limit_place(subject_id: UUID) -> str:
    return url_for("approval_limits.index")
