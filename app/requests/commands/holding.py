"""One at a time acts on a request: whoever comes second goes by what the first has left."""

from __future__ import annotations

import sqlalchemy as sa
from flask_babel import gettext as _
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm.attributes import set_committed_value

from app.core.db import db
from app.core.errors import Refused
from app.core.locking import lock_row
from app.requests.models import ClientRequest, RequestItem

REQUEST = tuple(column.key for column in ClientRequest.__mapper__.column_attrs)
ITEM = RequestItem.__table__


def hold(request: ClientRequest) -> None:
    """Lock it in the caller's transaction, and read it and those of its items that are loaded anew.

    Client and firm decide by what stands there: saved, handed over, taken back, accepted, sent back.
    """
    try:
        lock_row(request, *REQUEST)
    except InvalidRequestError:  # at the portal's door the row of one that is closed cannot be locked
        raise Refused(_("This request was closed in the meantime; it can no longer be changed.")) from None
    loaded = {row.id: row for row in db.session.identity_map.values()
              if isinstance(row, RequestItem) and row.request_id == request.id}
    if not loaded:
        return
    for now_there in db.session.execute(sa.select(ITEM).where(ITEM.c.id.in_(loaded))).mappings():
        for name, value in now_there.items():
            set_committed_value(loaded[now_there["id"]], name, value)
