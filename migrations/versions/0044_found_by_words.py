"""Clients, contacts, jobs, engagements and people are found by words in any order, without accents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

# `unaccent` with its dictionary named, and every name with its schema, does the same whoever asks and wherever: so it
# may be called immutable, as an index and a generated column want. "C" lower-cases what unaccent has left of Latin.
FOLDS = (
    r"""
    CREATE FUNCTION fold_words(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN trim(regexp_replace(
        lower(public.unaccent('public.unaccent'::regdictionary,
            translate(normalize(said, NFC), $q$'’‘ʼ`´′＇‛$q$, ''))),
        '[^[:alnum:]]+', ' ', 'g'
    ))
    """,
    r"""
    CREATE FUNCTION fold_words_again(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN public.fold_words(replace(replace(replace(replace(replace(
        translate(normalize(said, NFC), 'ÄÖÜØÅÆ', 'äöüøåæ'),
        'ä', 'ae'), 'ö', 'oe'), 'ü', 'ue'), 'å', 'aa'), 'ø', 'oe'))
    """,
    r"""
    CREATE FUNCTION search_words(said text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
    RETURN public.fold_words(said) || CASE
        WHEN normalize(said, NFC) ~ '[äöüåøæÄÖÜÅØÆ]' THEN ' ' || public.fold_words_again(said) ELSE ''
    END
    """,
)
DIGITS = r" || ' ' || regexp_replace({}, '\D', '', 'g')"
COLUMNS = {
    "client": (
        "search_words(name || ' ' || legal_name || ' ' || code || ' ' || email || ' ' || tax_number || ' ' || "
        "registration_number)" + DIGITS.format("phone")
    ),
    "contact": "search_words(name)",
    "contact_address": "search_words(value::text)" + DIGITS.format("value::text"),
    "job": "search_words(title || ' ' || number)",
    "engagement": "search_words(name || ' ' || number || ' ' || scope)",
    "person": "search_words(name || ' ' || email::text)",
}


def upgrade() -> None:
    for fold in FOLDS:
        op.execute(fold)
    for table, made_of in COLUMNS.items():
        found_by = sa.Computed(f"coalesce({made_of}, '')", persisted=True)
        op.add_column(table, sa.Column("found_by", sa.Text(), found_by, nullable=False))
        op.create_index(
            f"ix_{table}_found_by", table, ["found_by"], postgresql_using="gin",
            postgresql_ops={"found_by": "gin_trgm_ops"},
        )
    op.drop_index("ix_job_title_trgm", "job")
    op.drop_index("ix_client_name_trgm", "client")
    op.drop_index("ix_engagement_words_trgm", "engagement")


def downgrade() -> None:
    for table, name, what in (
        ("engagement", "words", "lower(name || ' ' || scope)"), ("client", "name", "lower(name)"),
        ("job", "title", "lower(title)"),
    ):
        op.create_index(
            f"ix_{table}_{name}_trgm", table, [sa.text(f"{what} gin_trgm_ops")], postgresql_using="gin"
        )
    for table in reversed(COLUMNS):
        op.drop_index(f"ix_{table}_found_by", table)
        op.drop_column(table, "found_by")
    for name in ("search_words", "fold_words_again", "fold_words"):
        op.execute(f"DROP FUNCTION {name}(text)")
