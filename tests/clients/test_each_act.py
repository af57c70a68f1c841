"""Small acts upon clients, their contacts and engagements: each is told of once, and not for whoever may not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.clients.commands import (
    archive_client,
    close_engagement,
    link_contact,
    reopen_engagement,
    restore_client,
    tag_client,
    unlink_contact,
)
from app.clients.commands.clients import assign_partner
from app.clients.commands.contacts import Standing
from app.core.actors import Actor
from app.core.permissions import Permission
from tests.make import Cast, kept_from, lacking, make_contact, not_for
from tests.test_small_commands import told, twice

Act = Callable[[Actor], Any]


def acts(cast: Cast) -> list[tuple[str, Act]]:
    """In an order in which each of them changes something."""
    other = make_contact("Nora Nile", cast.rival)
    return [
        ("clients.engagement.close", lambda by: close_engagement(cast.acme_work, by=by)),
        ("clients.engagement.reopen", lambda by: reopen_engagement(cast.acme_work, by=by)),
        ("clients.contact.link", lambda by: link_contact(cast.acme, other, by=by)),
        ("clients.contact.change", lambda by: link_contact(cast.acme, other, Standing(role="Bookkeeper"), by=by)),
        ("clients.contact.unlink", lambda by: unlink_contact(cast.acme, other, by=by)),
        ("clients.client.archive", lambda by: archive_client(cast.acme, by=by)),
        ("clients.client.restore", lambda by: restore_client(cast.acme, by=by)),
    ]


def test_each_act_upon_a_client_is_told_once_however_often_it_is_done(cast: Cast) -> None:
    for kind, act in acts(cast):
        twice(lambda act=act: act(cast.actor(cast.pat)), kind)


def test_who_may_not_does_nothing_to_a_client(cast: Cast) -> None:
    pat = cast.actor(cast.pat)
    mays = (Permission.CLIENT_EDIT, Permission.ENGAGEMENT_EDIT)
    strangers = (cast.contact(cast.cleo), kept_from(pat, cast.acme), lacking(pat, *mays))
    every = acts(cast)
    for _kind, act in (
        *every,
        ("", lambda by: tag_client(cast.acme, "vat", by=by)),
        ("", lambda by: assign_partner(cast.acme, cast.pat, by=by)),
    ):
        not_for(strangers, act)
    assert not any(told(kind) for kind, _act in every)
