"""What of recurring work an import moves, of all its clients at once and before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.clients.changes import PERIOD_FIELDS, ClientChange, digest_of_effects, effects_of_each
from app.clients.commands.clients import change_of, facts_of
from app.core.actors import Actor
from app.core.errors import Refused
from app.exchange.clients.compare import Planned
from app.exchange.clients.values import typed


@dataclass(frozen=True)
class Moving:
    """What was confirmed: that jobs to come follow or are kept, and why some may then be past a deadline.

    `foreseen` digests what was shown of this client; None where its periods do not change.
    """

    redate: bool = True
    because: str = ""
    foreseen: str | None = None

    @classmethod
    def of(cls, options: dict[str, Any], payload: dict[str, Any]) -> Moving:
        """As a run and its item keep it."""
        return cls(options.get("redate", True), options.get("because", ""), payload.get("foreseen"))


def tell_moves(planned: Sequence[Planned], *, seen_by: Actor) -> None:
    """Fill in `effects` of those whose periods would be others; a fixed number of statements for all of them."""
    moving = {id(one): change for one in planned if (change := _change(one)) is not None}
    effects = effects_of_each(list(moving.values()), seen_by=seen_by)
    for one in planned:
        if id(one) in moving:
            one.effects = effects.get(moving[id(one)].client_id, [])


def _change(one: Planned) -> ClientChange | None:
    values = {name: value for name, value in one.values.items() if name != "archived"}
    if one.client is None or not any(name in values for name in PERIOD_FIELDS):
        return None
    return change_of(one.client, replace(facts_of(one.client), **typed(values)))


def digest_of_moves(one: Planned) -> str | None:
    return None if one.effects is None else digest_of_effects(one.effects)


def check_confirmed(planned: Iterable[Planned], moving: Moving, *, was_shown: bool) -> None:
    """Refused where nobody was shown what moves, or where a job would go past a deadline without a reason."""
    effects = [effect for one in planned for effect in one.effects or ()]
    if effects and not was_shown:
        raise Refused("This import moves recurring work. Look at what moves before it starts.")
    overrun = next((effect.overrun for effect in effects if effect.overrun), "")
    if overrun and moving.redate and not moving.because.strip():
        raise Refused(f"{overrun}. Say why the job may be due later than that, or keep the jobs.", field="because")
