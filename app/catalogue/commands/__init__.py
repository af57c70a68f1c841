"""Changing what the firm sells; each change is one event."""

from app.catalogue.commands.drafts import discard_draft, draft_next_version, edit_template, publish_template
from app.catalogue.commands.parts import (
    DeadlineValues,
    RequestValues,
    add_deadline,
    remove_deadline,
    remove_request,
    save_request,
)
from app.catalogue.commands.services import (
    ServiceValues,
    archive_service,
    create_service,
    duplicate_service,
    edit_service,
    restore_service,
)
from app.catalogue.commands.stages import StageValues, add_stage, edit_stage, move_stage, remove_stage
from app.catalogue.commands.steps import StepValues, add_step, edit_step, move_step, remove_step

__all__ = [
    "DeadlineValues", "RequestValues", "ServiceValues", "StageValues", "StepValues", "add_deadline", "add_stage",
    "add_step", "archive_service", "create_service", "discard_draft", "draft_next_version", "duplicate_service",
    "edit_service", "edit_stage", "edit_step", "edit_template", "move_stage", "move_step", "publish_template",
    "remove_deadline", "remove_request", "remove_stage", "remove_step", "restore_service", "save_request",
]
