"""Who acts: a person of the firm, a contact of a client, or the system itself."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from uuid import UUID


class ActorKind(enum.StrEnum):
    PERSON = "person"
    CONTACT = "contact"
    SYSTEM = "system"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Everything that permission and visibility ask about whoever acts; loaded once a request.

    `walled_clients` and `walled_engagements` are what an ethical wall hides from this person, whatever their role.
    `client_ids` and `request_ids` are what a contact may reach; a request link reaches its one request only.
    """

    kind: ActorKind
    id: UUID | None = None
    name: str = ""
    role: str = ""
    permissions: frozenset[str] = frozenset()
    office_id: UUID | None = None
    walled_clients: frozenset[UUID] = frozenset()
    walled_engagements: frozenset[UUID] = frozenset()
    client_ids: frozenset[UUID] = frozenset()
    request_id: UUID | None = None
    signed_in: bool = True
    address: str = field(default="", repr=False)

    @property
    def is_person(self) -> bool:
        return self.kind is ActorKind.PERSON

    @property
    def is_contact(self) -> bool:
        return self.kind is ActorKind.CONTACT

    @property
    def is_system(self) -> bool:
        return self.kind is ActorKind.SYSTEM

    @property
    def person_id(self) -> UUID | None:
        """The acting person of the firm; None for contacts and the system."""
        return self.id if self.is_person else None

    def may(self, permission: str) -> bool:
        return self.is_system or permission in self.permissions


SYSTEM = Actor(kind=ActorKind.SYSTEM, name="Firmament")
