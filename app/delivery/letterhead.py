"""What stands around every letter: the firm's name and colours, and who is reached how, given by the room above that
knows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from babel import Locale

from app.core.colour import DEFAULT_ACCENT, Accent, light_accent


@dataclass(frozen=True)
class Desk:
    """Who looks after a client, and how their office is reached; what is not known is empty."""

    office: str
    address: str
    phone: str
    email: str
    person: str

    @property
    def address_line(self) -> str:
        return ", ".join(line.strip() for line in self.address.splitlines() if line.strip())


@dataclass(frozen=True)
class Letterhead:
    """The sender as a letter shows it, and English as it is written there."""

    name: str = "Firmament"
    accent: Accent = light_accent(DEFAULT_ACCENT)
    desk: Desk | None = None
    english: Locale = Locale("en", "GB")


Source = Callable[[UUID | None, UUID | None], Letterhead]
_sources: list[Source] = []


def letterhead_from(source: Source) -> Source:
    """Register where letters learn who writes to a client or a contact (ids); the last one registered holds."""
    _sources[:] = [source]
    return source


def letterhead(client_id: UUID | None = None, contact_id: UUID | None = None) -> Letterhead:
    return _sources[0](client_id, contact_id) if _sources else Letterhead()
