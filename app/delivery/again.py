"""What a mail is about changes while it waits, or after it failed: rooms above say whether it still helps, and write it
anew."""

from __future__ import annotations

from collections.abc import Callable

from app.core.actors import Actor
from app.core.clock import now
from app.delivery.models import Delivery
from app.delivery.secrets import has_lost_its_link

WhyNot = Callable[[Delivery], str]
Anew = Callable[[Delivery, Actor], object]
RAN_OUT = "The link in it had run out."
_why_not: dict[str, WhyNot] = {}
_anew: dict[str, Anew] = {}


def helps_unless(*kinds: str) -> Callable[[WhyNot], WhyNot]:
    """Register for kinds of mail: a sentence why one can help no more, empty while it can."""

    def register(function: WhyNot) -> WhyNot:
        _why_not.update(dict.fromkeys(kinds, function))
        return function

    return register


def written_anew(*kinds: str) -> Callable[[Anew], Anew]:
    """Register what sends mails of these kinds again, with a link of its own and to the address that holds now. It asks
    for the permission itself."""

    def register(function: Anew) -> Anew:
        _anew.update(dict.fromkeys(kinds, function))
        return function

    return register


def why_not(delivery: Delivery) -> str:
    """Why it can help nobody any more; empty while it can."""
    if delivery.useful_until is not None and delivery.useful_until <= now():
        return RAN_OUT
    ask = _why_not.get(delivery.kind)
    return ask(delivery) if ask else ""


def anew(delivery: Delivery) -> Anew | None:
    return _anew.get(delivery.kind)


def can_go_again(delivery: Delivery) -> bool:
    """Whether there is something to send: what has lost its link is written anew, or not at all."""
    if not delivery.is_over or delivery.settled_at is not None:
        return False
    return delivery.kind in _anew or not has_lost_its_link(delivery.text)
