"""The firm itself: its name, zone, colour and logo, its rounding, its second factor."""

from __future__ import annotations

import re
from dataclasses import dataclass
from zoneinfo import available_timezones

from app.activity.changes import apply_values
from app.activity.commands import record
from app.core.actors import Actor
from app.core.colour import parse, to_hex
from app.core.db import check_version, transaction
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.permissions import authorize
from app.core.reading import NotRead, read_bytes_apart
from app.core.rounding import RoundingRule
from app.core.storage import storage
from app.firm.logos import draw_logo
from app.firm.models import Firm
from app.firm.policy import can_edit_settings

LARGEST_LOGO = 2 << 20


@dataclass(frozen=True, kw_only=True)
class FirmLook:
    """What the firm calls itself, where its days begin, and its colour."""

    name: str
    zone: str
    accent: str


def update_firm(firm: Firm, look: FirmLook, *, by: Actor, version: int | None = None) -> None:
    authorize(by, can_edit_settings)
    with transaction():
        check_version(firm, version)
        changes = apply_values(
            firm, name=check_name(look.name), zone=check_zone(look.zone), accent=check_colour(look.accent)
        )
        if changes:
            record("firm.firm.update", firm, by=by, name=firm.name, changes=changes)


def set_rounding(firm: Firm, rule: RoundingRule, *, by: Actor) -> None:
    """How recorded time is rounded when it is charged, from now on; what was recorded keeps its own."""
    authorize(by, can_edit_settings)
    with transaction():
        changes = apply_values(firm, rounding=rule.to_json())
        if changes:
            firm.version += 1
            record("firm.rounding.update", firm, by=by, name=rule.describe(), changes=changes)


def require_second_factor(firm: Firm, required: bool, *, by: Actor) -> None:
    """With it on, nobody gets past enrolling a second factor."""
    authorize(by, can_edit_settings)
    with transaction():
        changes = apply_values(firm, require_totp=required)
        if changes:
            firm.version += 1
            record("firm.second_factor.update", firm, by=by, changes=changes)


def set_logo(firm: Firm, body: bytes, *, by: Actor) -> None:
    """A picture of any usual kind, drawn anew as PNG of at most 480 × 160; nothing of the file itself is kept."""
    authorize(by, can_edit_settings)
    drawn = redrawn(body)
    key = f"kept/logo-{new_id()}"
    storage().put(key, drawn, "image/png")
    with transaction():
        before, firm.logo_key, firm.logo_type = firm.logo_key, key, "image/png"
        firm.version += 1
        record("firm.logo.set", firm, by=by, changes={"logo": [before, key]})


def remove_logo(firm: Firm, *, by: Actor) -> None:
    authorize(by, can_edit_settings)
    with transaction():
        if firm.logo_key:
            before, firm.logo_key, firm.logo_type = firm.logo_key, None, None
            firm.version += 1
            record("firm.logo.remove", firm, by=by, changes={"logo": [before, None]})


def redrawn(body: bytes) -> bytes:
    """The picture as a small PNG, read in a process of its own; raises Refused for anything else."""
    if len(body) > LARGEST_LOGO:
        raise Refused("A logo has at most 2 MB.", field="logo")
    try:
        _, drawn = read_bytes_apart(draw_logo, body)
    except NotRead:
        raise Refused("This picture is damaged or too large to be read. Take a smaller one.", field="logo") from None
    return bytes(drawn)


def check_name(text: str) -> str:
    name = " ".join("".join(c for c in text if c.isprintable() or c == " ").split())
    if not 1 <= len(name) <= 200:
        raise Refused("Give a name of at most 200 characters.", field="name")
    return name


def check_zone(text: str) -> str:
    if text not in available_timezones():
        raise Refused("Choose a time zone, such as Europe/London.", field="zone")
    return text


def check_colour(text: str) -> str:
    if not re.fullmatch(r"#?[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?", text.strip()):
        raise Refused("Give a colour as #2f5bd7.", field="accent")
    return to_hex(parse(text))
