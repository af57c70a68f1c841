"""What `firmament verify` proves: each room registers its own; a finding is something that does not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.core.errors import FirmamentError
from app.core.storage import StorageUnavailable


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be. A note only informs."""

    subject: str
    message: str
    note: bool = False


Proof = Callable[[], Iterator[Finding]]
_proofs: dict[str, Proof] = {}


def proof(name: str) -> Callable[[Proof], Proof]:
    """Register a proof under a name such as `ledger.balances`; it yields what it finds wrong."""

    def register(check: Proof) -> Proof:
        if name in _proofs and _proofs[name].__qualname__ != check.__qualname__:
            raise RuntimeError(f"Two proofs are called {name}.")
        _proofs[name] = check
        return check

    return register


def run_proofs(*begins: str, without: str = "") -> Iterator[tuple[str, list[Finding]]]:
    """Every proof in order of name with what it found; one that cannot be carried out is a finding too.

    Those alone whose name begins with one of `begins`, where any are given, and not the one called `without`.
    """
    for name in sorted(_proofs):
        if name == without or (begins and not name.startswith(begins)):
            continue
        findings: list[Finding] = []
        try:
            findings.extend(_proofs[name]())
        except (FirmamentError, StorageUnavailable) as error:
            findings.append(Finding(name, f"This could not be proved: {error}"))
        yield name, findings
