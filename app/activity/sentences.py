"""Events in words: each room registers a sentence for its kinds and the address of its things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

Data = Mapping[str, Any]
Say = Callable[[Data], str]
Place = Callable[[UUID], str]


@dataclass(frozen=True)
class Sentence:
    """What follows the actor's name, the icon beside it, and the payload key that is quoted under it, if any."""

    say: Say
    icon: str = "history"
    quote: str = ""


_sentences: dict[str, Sentence] = {}
_places: dict[str, Place] = {}
PAST = {
    "begin": "began", "bring": "brought", "choose": "chose", "give": "gave", "give_back": "gave back", "hold": "held",
    "leave": "left", "make": "made", "pay": "paid", "put": "put", "send": "sent", "set": "set", "sign_in": "signed in",
    "sign_out": "signed out", "split": "split", "start": "started", "stop": "stopped", "submit": "submitted",
    "take": "took", "undo": "undid", "write_off": "wrote off", "write_on": "wrote on", "skip": "skipped",
    "transfer": "transferred", "set_up": "set up", "hand_over": "handed over", "put_off": "put off", "drop": "dropped",
}
NAMES = ("name", "title", "number", "client", "label", "file", "person")


def sentence(*kinds: str, icon: str = "history", quote: str = "") -> Callable[[Say], Say]:
    """Register the words for some kinds: `def _(data) -> str` gives what follows the actor's name, without a stop."""

    def register(say: Say) -> Say:
        for kind in kinds:
            _sentences[kind] = Sentence(say, icon, quote)
        return say

    return register


def place(subject_kind: str) -> Callable[[Place], Place]:
    """Register where a kind of thing is looked at: `def _(subject_id) -> address`."""

    def register(where: Place) -> Place:
        _places[subject_kind] = where
        return where

    return register


def told(kind: str, data: Data) -> tuple[str, str, str]:
    """(words, icon, quote) of an event. A payload that lacks what its sentence needs is told in general words."""
    known = _sentences.get(kind)
    if known is None:
        return generally(kind, data), "history", ""
    try:
        words = known.say(data)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        words = generally(kind, data)
    return words, known.icon, str(data.get(known.quote) or "") if known.quote else ""


def generally(kind: str, data: Data) -> str:
    """`jobs.task.complete` as "completed the task Reconcile bank"."""
    _, _, rest = kind.partition(".")
    noun, _, verb = rest.partition(".")
    name = next((str(data[key]) for key in NAMES if isinstance(data.get(key), str) and data[key]), "")
    words = f"{_past(verb or 'record')} the {noun.replace('_', ' ')}"
    return f"{words} {name}" if name else words


def _past(verb: str) -> str:
    if verb in PAST:
        return PAST[verb]
    first, _, rest = verb.partition("_")
    if first.endswith("e"):
        past = first + "d"
    elif first.endswith("y") and first[-2:-1] not in "aeiou":
        past = first[:-1] + "ied"
    else:
        past = first + "ed"
    return f"{past} {rest.replace('_', ' ')}".strip()


def address(subject_kind: str, subject_id: UUID) -> str:
    """Where the thing is looked at, or nothing."""
    where = _places.get(subject_kind)
    return where(subject_id) if where else ""


def changed(data: Data) -> str:
    """`name, e-mail and partner`: which fields an update touched."""
    fields = [str(key).removesuffix("_id").replace("_", " ") for key in data.get("changes") or ()]
    if not fields:
        return "nothing"
    return fields[0] if len(fields) == 1 else f"{', '.join(fields[:-1])} and {fields[-1]}"
