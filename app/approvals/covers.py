"""What the events of approvals and their limits vouch for."""

from __future__ import annotations

from app.activity.covers import Cover, cover
from app.approvals.models import Approval, ApprovalLimit

APPROVAL_1 = (
    "amount", "asked_at", "asked_by", "base_amount", "base_currency", "client_id", "client_ids", "currency",
    "decided_at", "decided_by", "decided_on", "decided_role", "decision", "digest", "engagement_ids", "entity_id",
    "facts", "id", "kind", "limit_amount", "made_from", "reason", "second_person", "subject_id", "word", "written_off",
    "written_off_base", "written_off_limit",
)  # fmt: skip
LIMIT_1 = (
    "amount", "created_at", "entity_id", "from_on", "id", "kind", "made_from", "person_id", "role", "set_by",
    "withdrawn_at", "withdrawn_by",
)  # fmt: skip

cover(
    Cover(
        kind="approval",
        version=1,
        called="approval of",
        model=Approval,
        columns=APPROVAL_1,
        name="x.kind || ' ' || x.subject_id",
    )
)
cover(
    Cover(
        kind="approval_limit",
        version=1,
        called="limit of approval",
        model=ApprovalLimit,
        columns=LIMIT_1,
        name="x.id::text",
    )
)
