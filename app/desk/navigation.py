"""The main navigation: where a person may go, by their permissions."""

from __future__ import annotations

from app.core.actors import Actor
from app.core.permissions import Permission

ITEMS = (
    ("work", "My work", "/work", "work", None),
    ("board", "Board", "/board", "board", None),
    ("deadlines", "Deadlines", "/deadlines", "scale", None),
    ("clients", "Clients", "/clients", "clients", None),
    ("time", "Time", "/time", "time", None),
    ("requests", "Requests", "/requests", "request", None),
    ("billing", "Billing", "/billing", "billing", Permission.WIP_SEE),
    ("services", "Services", "/services", "services", None),
    ("dashboard", "Dashboard", "/dashboard", "gauge", Permission.REPORT_SEE),
    ("settings", "Settings", "/settings", "settings", None),
)


def navigation_for(by: Actor | None) -> list[dict[str, str]]:
    if by is None or not by.is_person:
        return []
    return [
        {"key": key, "label": label, "url": url, "icon": icon}
        for key, label, url, icon, needs in ITEMS
        if needs is None or by.may(needs)
    ]
