"""What the settings page lists; a room adds its own line when it is imported."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.actors import Actor
from app.core.permissions import Permission


@dataclass(frozen=True)
class Setting:
    """One line: where it leads, in whose group it stands, who may follow it."""

    group: str
    label: str
    text: str
    url: str
    icon: str
    needs: Permission | None = None
    order: int = 50


GROUPS = ("The firm", "People", "Money", "Work", "Record")
_settings: dict[str, Setting] = {}


def add_setting(setting: Setting) -> None:
    _settings[setting.url] = setting


def settings_for(by: Actor) -> list[tuple[str, list[Setting]]]:
    """The groups that are not empty for this person, each in order."""
    allowed = [s for s in _settings.values() if s.needs is None or by.may(s.needs)]
    may = sorted(allowed, key=lambda s: (s.order, s.label))
    names = [*GROUPS, *sorted({s.group for s in may} - set(GROUPS))]
    return [(name, found) for name in names if (found := [s for s in may if s.group == name])]


_EDIT = Permission.SETTINGS_EDIT
for _group, _label, _text, _url, _icon, _needs in (
    ("The firm", "Name and look", "Name, time zone, colour, logo", "firm", "star", _EDIT),
    ("The firm", "Entities", "Legal names, tax numbers, bank, terms", "entities", "building", _EDIT),
    ("The firm", "Offices", "Time zones and holiday calendars", "offices", "office", _EDIT),
    ("The firm", "Closures", "Days off beside the public holidays", "closures", "calendar", _EDIT),
    ("People", "People", "Roles, grades, hours, invitations", "/people", "person", None),
    ("People", "Security", "Whether everybody needs a second factor", "security", "shield", _EDIT),
    ("Money", "Tax rates", "What is charged, and from when on", "tax-rates", "percent", _EDIT),
    ("Money", "Number series", "How invoices, jobs and clients are numbered", "numbers", "list", _EDIT),
    ("Record", "Event log", "What happened, in order, sealed", "/audit", "history", Permission.AUDIT_SEE),
    ("Money", "Rounding", "How recorded time is rounded when it is charged", "rounding", "time", _EDIT),
):
    _address = _url if _url.startswith("/") else f"/settings/{_url}"
    add_setting(Setting(_group, _label, _text, _address, _icon, _needs, 10 + len(_settings)))
