"""Proof that colleagues sort as their names read."""

from __future__ import annotations

from collections.abc import Iterator

from app.core.copies import Copy, keeps
from app.core.proofs import Finding, proof
from app.core.sorting import wrong_keys
from app.people.models import Person

# Initials are no copy: what people do not say of themselves is taken from the name that they have then.
PEOPLE_SORT = keeps(Copy(
    "person.sort_key", "how lists sort a colleague, by their name",
    ("a colleague's name", "a colleague's name by themselves"),
    "app.people.commands.people.edit_person", "people.sort_keys",
))


@proof("people.sort_keys")
def prove_sort_keys() -> Iterator[Finding]:
    """Colleagues sort and are found by the names that they have."""
    yield from wrong_keys(Person)
