"""The register of what is stored as a copy of something else: what it says, what changes it, who keeps it, its proof.

A room declares each copy once. A test walks the register: it changes every input through the product's own commands and
asks the proof, and it spoils every copy by hand and asks whether the proof sees it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Copy:
    """`column` is where it is kept, `inputs` everything that invalidates it, in other rows and other rooms too.

    `kept_by` is the dotted name of what writes it: at once in the transaction of the change, or soon after where
    `is_soon`: until then what is marked is being worked out, and no fault.
    """

    column: str
    says: str
    inputs: tuple[str, ...]
    kept_by: str
    proof: str
    is_soon: bool = False


_copies: dict[str, Copy] = {}


def keeps(copy: Copy) -> Copy:
    """Put a copy into the register; twice the same is once."""
    known = _copies.setdefault(copy.column, copy)
    if known != copy:
        raise RuntimeError(f"{copy.column} is declared twice, as two things.")
    return copy


def kept_copies() -> list[Copy]:
    return [_copies[column] for column in sorted(_copies)]
