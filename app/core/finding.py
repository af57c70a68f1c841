"""Finding rows by words: in any order, without case, accents, apostrophes or other signs.

The database folds both sides by its dictionary `unaccent` (`migrations/versions/*_found_by_words.py`): a row's side is
a generated column `found_by`, with a second spelling of names that have an umlaut or a Nordic vowel (Müller is found as
muller and as mueller), the digits of a telephone number in one piece, and an index of trigrams.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import phonenumbers
import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

MOST_WORDS, FEWEST_DIGITS = 8, 5
_SECOND_SPELLING = frozenset("äöüåøæÄÖÜÅØÆ")
_OF_A_NUMBER = frozenset("0123456789+()/.- \u00a0")


def found_by(*texts: str, number: str = "") -> Mapped[str]:
    """The column that a row is found by, made by the database from SQL expressions of texts and a telephone number."""
    said = " || ' ' || ".join(texts)
    digits = rf" || ' ' || regexp_replace({number}, '\D', '', 'g')" if number else ""
    made = sa.Computed(f"coalesce(search_words({said}){digits}, '')", persisted=True)
    return mapped_column(sa.Text, made, deferred=True)


def index_of(table: str) -> sa.Index:
    return sa.Index(
        f"ix_{table}_found_by", "found_by", postgresql_using="gin", postgresql_ops={"found_by": "gin_trgm_ops"}
    )


@dataclass(frozen=True)
class Typed:
    """What somebody looks for. Two are equal whose statements are the same but for their values (`params`), so that a
    statement can be made once and kept."""

    second_spellings: tuple[bool, ...]
    is_number: bool
    params: Mapping[str, str] = field(compare=False)

    @classmethod
    def of(cls, text: str, country: str = "") -> Typed:
        """The words of a text, eight at most, and its digits if it is a telephone number.

        `country` (ISO 3166) is where a number without a prefix is from.
        """
        words = [word for word in text.split() if any(letter.isalnum() for letter in word)][:MOST_WORDS]
        digits = national_digits(text, country)
        params = {f"word_{place}": word for place, word in enumerate(words)} | ({"digits": digits} if digits else {})
        return cls(tuple(bool(_SECOND_SPELLING & set(word)) for word in words), bool(digits), params)

    def param(self, name: str) -> sa.BindParameter[str]:
        return sa.bindparam(name, self.params[name], type_=sa.Text)


def has_words(column: InstrumentedAttribute[str] | sa.ColumnElement[str], typed: Typed) -> sa.ColumnElement[bool]:
    """Whether a `found_by` holds every word of what was typed; nothing holds a text without letters and digits."""
    words = [_has(column, typed.param(f"word_{place}"), twice) for place, twice in enumerate(typed.second_spellings)]
    return sa.and_(*words) if words else sa.false()


def _has(column: Any, word: sa.BindParameter[str], twice: bool) -> sa.ColumnElement[bool]:
    spellings = (sa.func.fold_words, sa.func.fold_words_again) if twice else (sa.func.fold_words,)
    return sa.or_(*(column.like(sa.func.concat("%", fold(word), "%")) for fold in spellings))


def has_words_or_number(column: InstrumentedAttribute[str], typed: Typed) -> sa.ColumnElement[bool]:
    """The same, or this telephone number, however either of them is spelt."""
    words = has_words(column, typed)
    return sa.or_(words, column.contains(typed.param("digits"))) if typed.is_number else words


def could_be_number(text: str) -> bool:
    return set(text) <= _OF_A_NUMBER and sum(letter.isdigit() for letter in text) >= FEWEST_DIGITS


def national_digits(text: str, country: str) -> str:
    """The digits of a telephone number that stand behind country and trunk prefix; empty where the text is none."""
    if not could_be_number(text):
        return ""
    plain = "+" + text.strip()[2:] if text.strip().startswith("00") else text
    try:
        parsed = phonenumbers.parse(plain, country or None)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is not None and parsed.national_number:
        return str(parsed.national_number)
    return "".join(letter for letter in text if letter.isdigit()).lstrip("0")
