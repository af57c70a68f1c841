"""What goes in and out, in words."""

from __future__ import annotations

from app.activity.sentences import Data, sentence


@sentence("exchange.list.export", icon="download")
def exported(data: Data) -> str:
    return f"took the list {data['name']} out as CSV"


@sentence("exchange.import.read", icon="import")
def import_read(data: Data) -> str:
    return f"uploaded {data['name']} with {data['rows']} rows"


@sentence("exchange.mapping.save", icon="import")
def mapping_saved(data: Data) -> str:
    return f"kept what the columns of a list mean as {data['name']}"


@sentence("exchange.mapping.rename", icon="import")
def mapping_renamed(data: Data) -> str:
    return f"renamed the columns of {data['before']} to {data['name']}"


@sentence("exchange.mapping.delete", icon="import")
def mapping_deleted(data: Data) -> str:
    return f"deleted the columns kept as {data['name']}"


@sentence("exchange.import.link", icon="import")
def import_linked(data: Data) -> str:
    return f"linked {data['name']} to what an import from {data['source']} says of it"


@sentence("exchange.import.remove", icon="undo")
def import_removed(data: Data) -> str:
    return f"removed {data['name']} again with its import"


@sentence("activity.anchor.written", icon="history")
def anchored(data: Data) -> str:
    return f"anchored the log at position {data['position']} in storage"


@sentence("exchange.anchor.readdress", icon="mail")
def readdressed(data: Data) -> str:
    told = [f"{word} {', '.join(data[key])}" for key, word in (("added", "to"), ("gone", "no longer to")) if data[key]]
    return f"had the end of the log mailed {' and '.join(told)}"


@sentence("activity.baseline.recorded", icon="history")
def baseline(data: Data) -> str:
    return "took down what stood before events kept digests"


@sentence("activity.payload.erased", icon="history", quote="reason")
def erased(data: Data) -> str:
    count = len(data["kept"])
    return f"erased the words of {count} event{'' if count == 1 else 's'}"
