"""How an answer says that it is a file, whatever the file is called (RFC 6266, RFC 8187)."""

from __future__ import annotations

from urllib.parse import quote

LONGEST = 120


def disposition(name: str, *, inline: bool = False) -> str:
    """The Content-Disposition of a file of this name: once in plain letters for old readers, once exactly.

    A name that no header should carry loses its middle and keeps its ending.
    """
    if len(name) > LONGEST:
        name = f"{name[: LONGEST - 20]}…{name[-19:]}"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in " ._-()") else "_" for c in name)
    how, exact = "inline" if inline else "attachment", quote(name, safe="")
    return f"{how}; filename=\"{plain or 'file'}\"; filename*=UTF-8''{exact}"
