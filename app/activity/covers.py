"""What an event vouches for beyond its own words: digests of rows as they stood when its transaction committed.

Each room declares which columns of which tables say something. The digest of a row is made by the database, of the
row as it lies there, both when it is written and when it is proven: SHA-256 over the columns' values as JSON arrays,
a line for the row and one for each row that belongs to it. A payload keeps `version:hex` under `covers` (or, for what
is posted, under `ledger`); the empty text stands for "not there".

A version that was written is never changed: events that stay hold digests of it. Its columns are therefore written
out and never taken from the model, so that a column which comes later changes no digest of what stood before. Such a
column goes into a new version beside the old one, or into `left_out` with the reason why nothing vouches for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from app.core.db import Base, db
from app.core.proofs import Finding

ERASED = "activity.payload.erased"
COVERS, LEDGER = "covers", "ledger"


@dataclass(frozen=True)
class Part:
    """Rows that belong to the covered row `x`. `source` is their FROM and WHERE; the table's alias in it is `p`."""

    model: type[Base]
    columns: tuple[str, ...]
    source: str
    order: str
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cover:
    """One kind of covered thing in one version.

    `fixed` things are told of once and never change; of others the last telling counts. `whole` means that each row
    for which `where` holds must have been told of; `where` and `name` are SQL over the row's alias `x`. `left_out` says
    of each column that is not covered why it need not be.
    """

    kind: str
    version: int
    model: type[Base]
    columns: tuple[str, ...]
    called: str
    name: str
    where: str = "true"
    fixed: bool = False
    whole: bool = True
    parts: tuple[Part, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> sa.Table:
        return table_of(self.model)

    def digest(self, row: str = "x", parts: Sequence[str] = ()) -> str:
        """SQL for the digest of the row with this alias; `parts` names other sources for the rows that belong to it."""
        texts = [spelled(row, self.table, self.columns)]
        for part, source in zip(self.parts, parts or [part.source for part in self.parts], strict=True):
            line = spelled("p", table_of(part.model), part.columns)
            texts.append(f"coalesce((SELECT string_agg({line}, E'\\n' ORDER BY {part.order}) {source}), '')")
        text = r" || E'\n\n' || ".join(texts)
        return f"'{self.version}:' || encode(sha256(convert_to({text}, 'UTF8')), 'hex')"


def table_of(model: type[Base]) -> sa.Table:
    return cast(sa.Table, model.__table__)


def spelled(alias: str, table: sa.Table, columns: Iterable[str]) -> str:
    """SQL for the one spelling of a row: a JSON array of its columns, whatever the session's zone or formats."""
    values = []
    for name in columns:
        kind, value = table.c[name].type, f'{alias}."{name}"'
        if isinstance(kind, sa.DateTime):
            value = f"({value} AT TIME ZONE 'UTC')"
        elif isinstance(kind, sa.LargeBinary):
            value = f"encode({value}, 'hex')"
        elif isinstance(kind, JSONB):
            value = f"{value}::text"
        values.append(value)
    return f"json_build_array({', '.join(values)})::text"


_covers: dict[str, dict[int, Cover]] = {}


def cover(one: Cover) -> Cover:
    """Register a kind in a version; the newest is what is written, all are proven."""
    _covers.setdefault(one.kind, {})[one.version] = one
    return one


def newest(kind: str) -> Cover:
    return _covers[kind][max(_covers[kind])]


def kinds() -> list[str]:
    return sorted(_covers)


def versions(kind: str) -> Mapping[int, Cover]:
    return _covers[kind]


Told = dict[str, dict[str, str]]


def digests_of(connection: sa.Connection, wanted: Mapping[str, Iterable[Any]]) -> Told:
    """By kind and id: the digests of these rows as they stand; empty text for one that is not there."""
    ids = {kind: sorted({str(one) for one in some}) for kind, some in wanted.items()}
    ids = {kind: some for kind, some in ids.items() if some}
    if not ids:
        return {}
    told: Told = {kind: dict.fromkeys(some, "") for kind, some in ids.items()}
    questions = []
    for kind in ids:
        one = newest(kind)
        questions.append(
            f"SELECT '{kind}' AS kind, x.id::text AS id, {one.digest()} AS digest FROM \"{one.table.name}\" x "
            f"WHERE x.id = ANY (CAST(:{kind} AS {_type(one)}[])) AND ({one.where})"
        )
    for row in connection.execute(sa.text(" UNION ALL ".join(questions)), ids):
        told[row.kind][row.id] = row.digest
    return told


def _type(one: Cover) -> str:
    return "bigint" if isinstance(one.table.c.id.type, sa.BigInteger) else "uuid"


def _tellings(kind: str) -> str:
    """SQL for every telling of a kind: id, digest, event; those of an erased payload from the event that erased it."""
    path = LEDGER if kind == LEDGER else COVERS
    inside = f"'{LEDGER}'" if kind == LEDGER else f"'{COVERS}'->'{kind}'"
    return f"""
        SELECT d.key AS id, d.value AS digest, p.event_id FROM event_payload p
        CROSS JOIN LATERAL jsonb_each_text(p.data->{inside}) d WHERE p.data ? '{path}'
        UNION ALL
        SELECT d.key, d.value, w.key::bigint FROM event e JOIN event_payload p ON p.event_id = e.id
        CROSS JOIN LATERAL jsonb_each(p.data->'kept') w CROSS JOIN LATERAL jsonb_each_text(w.value->{inside}) d
        WHERE e.kind = '{ERASED}'
    """


def _question(kind: str, more: str) -> sa.TextClause:
    one = newest(kind)
    each = " ".join(
        f"WHEN '{v.version}' THEN CASE WHEN {v.where} THEN {v.digest()} END" for v in versions(kind).values()
    )
    found = f"""
        CASE WHEN x.id IS NULL THEN ''
             WHEN t.digest = '' THEN CASE WHEN {one.where} THEN 'stands' ELSE '' END
             ELSE coalesce(CASE split_part(t.digest, ':', 1) {each} END, '') END
    """
    return sa.text(f"""
        WITH told AS (
            SELECT DISTINCT ON (id) id, digest, event_id FROM ({_tellings(kind)}) AS every
            ORDER BY id, event_id {"" if one.fixed else "DESC"}
        )
        SELECT coalesce(t.id, x.id::text) AS id, t.event_id, t.digest AS told, x.id IS NOT NULL AS is_there,
               CASE WHEN x.id IS NULL THEN t.id ELSE {one.name} END AS name
        FROM told t FULL JOIN "{one.table.name}" x ON x.id::text = t.id
        WHERE CASE WHEN t.id IS NULL THEN {str(one.whole).lower()} AND ({one.where}) AND ({more})
                   ELSE t.digest <> {found} END
        ORDER BY t.event_id, 1 LIMIT 100
    """)


def differences(kind: str, more: str = "true", **values: Any) -> Iterator[Finding]:
    """What does not stand as the event log says; one question over all of its rows and all that was told of them.

    `more` narrows, as SQL over `x`, which rows must have been told of.
    """
    one = newest(kind)
    db.session.execute(sa.text("SET LOCAL work_mem = '192MB'"))
    for row in db.session.execute(_question(kind, more), values):
        subject = f"{one.called} {row.name}"
        if row.event_id is None:
            yield Finding(subject, "is there, but no event tells of it")
        elif not row.is_there:
            yield Finding(subject, f"is gone; event {row.event_id} tells of it")
        elif not row.told:
            yield Finding(subject, f"stands, though event {row.event_id} says that it does not")
        else:
            yield Finding(subject, f"is not what it was when event {row.event_id} was recorded")
