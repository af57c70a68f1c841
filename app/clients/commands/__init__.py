"""What can be done to clients, contacts, engagements and walls."""

from app.clients.commands.arrangements import (
    ArrangementFacts,
    add_arrangement,
    archive_arrangement,
    change_arrangement,
    restore_arrangement,
)
from app.clients.commands.clients import (
    ClientFacts,
    archive_client,
    assign_partner,
    create_client,
    create_firm_client,
    restore_client,
    tag_client,
    update_client,
)
from app.clients.commands.contacts import (
    ContactFacts,
    Standing,
    archive_contact,
    create_contact,
    link_contact,
    restore_contact,
    unlink_contact,
    update_contact,
)
from app.clients.commands.engagements import (
    EngagementFacts,
    close_engagement,
    create_engagement,
    engagement_for_service,
    reopen_engagement,
    update_engagement,
)
from app.clients.commands.walls import lower_wall, raise_wall

__all__ = [
    "ArrangementFacts", "ClientFacts", "ContactFacts", "EngagementFacts", "Standing", "add_arrangement",
    "archive_arrangement", "archive_client", "archive_contact", "assign_partner", "change_arrangement",
    "close_engagement", "create_client", "create_contact", "create_engagement", "create_firm_client",
    "engagement_for_service", "link_contact", "lower_wall", "raise_wall", "reopen_engagement", "restore_arrangement",
    "restore_client", "restore_contact", "tag_client", "unlink_contact", "update_client", "update_contact",
    "update_engagement",
]
