"""Keys by which the parts of a template are the same from version to version."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from itertools import chain, count

LONGEST_KEY = 40


def free_key(words: str, taken: Iterable[str], *, empty: str) -> str:
    """A key made of words that nothing else has; `empty` where they hold no letter that a key may have."""
    stem = "-".join(re.findall(r"[a-z0-9]+", words.lower()))[:LONGEST_KEY] or empty
    known = set(taken)
    return next(key for key in chain([stem], (f"{stem}-{n}" for n in count(2))) if key not in known)


def keyed_lines(texts: Sequence[str], before: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    """The lines of a checklist with their keys: a line that was there keeps its own, moved or reworded."""
    left = [(line["key"], line["text"]) for line in before]
    keys: dict[int, str] = {}
    for like in (_same, _close):
        for place, text in enumerate(texts):
            found = None if place in keys else like(text, left)
            if found is not None:
                keys[place] = found[0]
                left.remove(found)
    taken = {line["key"] for line in before}
    for place, text in enumerate(texts):
        if place not in keys:
            keys[place] = free_key(text, taken, empty="line")
            taken.add(keys[place])
    return [{"key": keys[place], "text": text} for place, text in enumerate(texts)]


def _same(text: str, lines: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    return next((line for line in lines if line[1] == text), None)


def _close(text: str, lines: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    nearest = get_close_matches(text, [line[1] for line in lines], n=1)
    return _same(nearest[0], lines) if nearest else None
