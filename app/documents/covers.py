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
        left_out={
            "archived_at": "put away and taken out again at will; events tell of it",
            "checking_at": "how checking went, before there was anything to keep",
            "client_sees": "shown and hidden at will; events tell of it",
            "download_only": "how a browser is told to take it, read again from the bytes",
            "drawn_at": "when it was drawn small for lists",
            "engagement_id": "filed elsewhere at will; events tell of it",
            "folder": "filed elsewhere at will; events tell of it",
            "incoming_key": "where it came in, emptied once it is kept",
            "jpeg_key": "a picture made of its bytes, which are told of",
            "made_from": "compares a form that comes twice",
            "rejected_because": "of those that were never kept",
            "remark": "what a person noted beside it",
            "same_as_id": "follows from the digest",
            "state": "only what is available is told of",
            "thumbnail_key": "a picture made of its bytes, which are told of",
        },
    )
)  # fmt: skip
