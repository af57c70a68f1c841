"""One at a time acts on a request: whoever comes second goes by what the first has left."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.orm.attributes import set_committed_value

from app.core.db import db
from app.core.errors import Refused
from app.core.locking import to_lock
from app.requests.models import ClientRequest, RequestItem

REQUEST, ITEM = ClientRequest.__table__, RequestItem.__table__


def hold(request: ClientRequest) -> None:
    """Lock it in the caller's transaction with those of its items that are loaded, and read all of them anew.

    Client and firm decide by what stands there: saved, handed over, taken back, accepted, sent back. One statement, for
    an answer is saved at each pause in typing; items are locked too, else they would be read as they were before it
    waited.
    """
    loaded = {row.id: row for row in db.session.identity_map.values()
              if isinstance(row, RequestItem) and row.request_id == request.id}
    of: list[Any] = [REQUEST, ITEM] if loaded else [REQUEST]
    asked: Any = sa.select(*of).where(REQUEST.c.id == request.id)
    if loaded:
        asked = asked.join_from(REQUEST, ITEM, ITEM.c.request_id == REQUEST.c.id).where(ITEM.c.id.in_(loaded))
    rows = db.session.execute(to_lock(asked, of=of)).all()
    if not rows:  # at the portal's door the row of one that is closed cannot be locked
        raise Refused(_("This request was closed in the meantime; it can no longer be changed."))
    _read_anew(request, REQUEST, rows[0])
    for row in rows if loaded else ():
        _read_anew(loaded[row._mapping[ITEM.c.id]], ITEM, row)


def _read_anew(thing: ClientRequest | RequestItem, table: sa.FromClause, row: sa.Row[*tuple[Any, ...]]) -> None:
    for column in table.c:
        set_committed_value(thing, column.key, row._mapping[column])
