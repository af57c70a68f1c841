"""What the event that keeps a document vouches for: whose it is and which bytes it is."""

from __future__ import annotations

from app.activity.covers import Cover, cover
from app.documents.models import Document

cover(
    Cover(
        kind="document",
        version=1,
        called="document",
        model=Document,
        columns=(
            "added_by", "added_kind", "checked_at", "client_id", "created_at", "id", "kept_key", "media_type", "name",
            "preview_key", "received_at", "sha256", "size",
        ),
        name="x.id::text",
        where="x.state = 'available'",
        fixed=True,
    )
)  # fmt: skip
