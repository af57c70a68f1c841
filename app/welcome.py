"""What `make run` prints once it runs: how to come in."""

from __future__ import annotations

import time
from collections.abc import Iterator

from app.core.db import db
from app.core.errors import Refused
from app.core.permissions import Role
from app.people.commands.links import make_setup_link, make_sign_in_link

PAUSE_SECONDS = 1.0


def lines(wait: float) -> Iterator[str]:
    """The setup link while there is no firm, else a link a role; waits for people who are about to come."""
    deadline = time.monotonic() + wait
    while (links := _links()) is None and time.monotonic() < deadline:
        db.session.remove()
        time.sleep(PAUSE_SECONDS)
    if links is None:
        yield f"Set the firm up (the link works once):\n  {make_setup_link()}\n"
        return
    yield "Sign in as (each link works once; `firmament sign-in-link ROLE` makes another):"
    yield from (f"  {role:<8} {link}" for role, link in links.items())
    yield ""


def _links() -> dict[str, str] | None:
    """A link for each role that somebody has; None while nobody is there at all, or not yet a partner."""
    found = {}
    for role in Role:
        try:
            found[role.value] = make_sign_in_link(role.value)
        except Refused:
            if role is Role.PARTNER:
                return None
    return found
