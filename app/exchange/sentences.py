"""What goes in and out, in words."""

from __future__ import annotations

from app.activity.sentences import Data, sentence


@sentence("exchange.list.export", icon="download")
def exported(data: Data) -> str:
    return f"took the list {data['name']} out as CSV"


@sentence("exchange.import.read", icon="import")
def import_read(data: Data) -> str:
    return f"uploaded {data['name']} with {data['rows']} rows"


@sentence("exchange.import.link", icon="import")
def import_linked(data: Data) -> str:
    return f"linked {data['name']} to what an import from {data['source']} says of it"


@sentence("exchange.import.remove", icon="undo")
def import_removed(data: Data) -> str:
    return f"removed {data['name']} again with its import"
