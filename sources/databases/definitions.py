"""Definitions of tables: constraints, comments and indexes, as each database keeps them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from sources.databases import alchemy, duckdb_file, postgres, sqlite_file
from sources.databases.address import Address
from sources.databases.question import Question, quoted
from sources.described import Described

_POSTGRES_COLUMNS = """
SELECT a.attname, a.attnotnull::int, coalesce(col_description(a.attrelid, a.attnum), ''),
       coalesce((SELECT string_agg(e.enumlabel, chr(31) ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = a.atttypid), ''),
       coalesce(obj_description(a.attrelid, 'pg_class'), ''),
       (EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indkey[0] = a.attnum))::int,
       (EXISTS (SELECT 1 FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE t.tgrelid = a.attrelid AND NOT t.tgisinternal
                AND t.tgtype & 16 > 0 AND p.prosrc ~* ('NEW\\.' || regexp_replace(a.attname, '\\W', '.', 'g') || '\\M')))::int
FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""
_POSTGRES_KEYS = """
SELECT i.indisprimary::int, string_agg(a.attname, chr(31) ORDER BY k.place)
FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid
  AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary ORDER BY i.indisprimary DESC, i.indexrelid
"""
_MYSQL_COLUMNS = """
SELECT c.COLUMN_NAME, c.IS_NULLABLE = 'NO', c.COLUMN_COMMENT, c.COLUMN_TYPE, t.TABLE_COMMENT, c.EXTRA LIKE '%%on update%%'
FROM information_schema.COLUMNS c JOIN information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME)
WHERE c.TABLE_SCHEMA = coalesce(%s, DATABASE()) AND c.TABLE_NAME = %s ORDER BY c.ORDINAL_POSITION
"""
_MYSQL_INDEXES = """
SELECT INDEX_NAME, NON_UNIQUE = 0, COLUMN_NAME, SUB_PART IS NULL FROM information_schema.STATISTICS
WHERE TABLE_SCHEMA = coalesce(%s, DATABASE()) AND TABLE_NAME = %s ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX
"""
_BETWEEN = "\x1f"


def describe_postgres(address: Address, question: Question) -> Described:
    """Return what Postgres knows of a table."""
    table = ".".join(quoted(part, '"') for part in question.source.table_parts)
    with postgres.session(address, question) as cursor:
        cursor.execute(_POSTGRES_COLUMNS, (table,))
        columns = cursor.fetchall()
        cursor.execute(_POSTGRES_KEYS, (table,))
        keys = cursor.fetchall()
    return _described(
        [(bool(is_primary), tuple(names.split(_BETWEEN))) for is_primary, names in keys],
        required=(name for name, is_required, *_ in columns if is_required),
        comments={column[0]: column[2] for column in columns},
        comment=next((column[4] for column in columns), ""),
        allowed={column[0]: tuple(column[3].split(_BETWEEN)) for column in columns if column[3]},
        indexed=(column[0] for column in columns if column[5]),
        updated=(column[0] for column in columns if column[6]),
    )


def describe_alchemy(address: Address, question: Question) -> Described:
    """Return what MySQL or MariaDB knows of a table; nothing of another database."""
    *schema, table = question.source.table_parts
    given = (schema[-1] if schema else None, table)
    with alchemy.session(address, question) as connection:
        if not alchemy.style(connection)[1]:
            return Described()
        columns = connection.exec_driver_sql(_MYSQL_COLUMNS, given).fetchall()
        indexes = connection.exec_driver_sql(_MYSQL_INDEXES, given).fetchall()
    found: dict[str, list[tuple[str, bool]]] = {}
    for index, is_unique, column, is_whole in indexes:
        # An index on a column's beginning tells nothing of the column.
        found.setdefault(index, []).append((column, bool(is_unique and is_whole and column)))
    keys = [
        (index == "PRIMARY", tuple(column for column, _ in parts))
        for index, parts in found.items()
        if all(is_unique for _, is_unique in parts)
    ]
    return _described(
        keys,
        required=(column[0] for column in columns if column[1]),
        comments={column[0]: column[2] for column in columns},
        comment=next((column[4] for column in columns), ""),
        allowed={column[0]: _listed(column[3]) for column in columns if column[3].startswith("enum(")},
        indexed=(parts[0][0] for parts in found.values()),
        updated=(column[0] for column in columns if column[5]),
    )


def describe_sqlite(address: Address, question: Question) -> Described:
    """Return what SQLite knows of a table: it keeps no comments."""
    table = question.source.table_parts[-1]
    with sqlite_file.session(address, question) as connection:
        columns = connection.execute(
            'SELECT name, "notnull", pk FROM pragma_table_info(?)', (table,)
        ).fetchall()
        indexes = connection.execute(
            'SELECT name, "unique", partial FROM pragma_index_list(?)', (table,)
        ).fetchall()
        parts = {
            name: [row[0] for row in connection.execute("SELECT name FROM pragma_index_info(?)", (name,))]
            for name, *_ in indexes
        }
    primary = tuple(name for name, _, place in sorted(columns, key=lambda row: row[2]) if place)
    unique = [
        (False, tuple(parts[name]))
        for name, is_unique, is_partial in indexes
        if is_unique and not is_partial and None not in parts[name] and tuple(parts[name]) != primary
    ]
    return _described(
        [*([(True, primary)] if primary else []), *unique],
        required=(name for name, is_required, _ in columns if is_required),
        indexed=(columns_of[0] for columns_of in parts.values() if columns_of and columns_of[0]),
    )


def describe_duckdb(address: Address, question: Question) -> Described:
    """Return what DuckDB knows of a table."""
    *schema, table = question.source.table_parts
    given = [table, schema[-1] if schema else None]
    where = "table_name = $1 AND schema_name = coalesce($2, current_schema()) AND NOT internal"
    with TemporaryDirectory() as scratch, duckdb_file.session(address, question, Path(scratch)) as connection:
        columns = connection.execute(
            f"SELECT column_name, NOT is_nullable, coalesce(comment, ''), data_type FROM duckdb_columns() WHERE {where}",
            given,
        ).fetchall()
        comment = connection.execute(f"SELECT comment FROM duckdb_tables() WHERE {where}", given).fetchone()
        keys = connection.execute(
            "SELECT constraint_type = 'PRIMARY KEY' AS is_primary, constraint_column_names FROM duckdb_constraints() WHERE "
            f"{where.removesuffix(' AND NOT internal')} AND constraint_type IN ('PRIMARY KEY', 'UNIQUE') ORDER BY is_primary DESC",
            given,
        ).fetchall()
    return _described(
        [(bool(is_primary), tuple(names)) for is_primary, names in keys],
        required=(name for name, is_required, *_ in columns if is_required),
        comments={name: text for name, _, text, _ in columns},
        comment=(comment and comment[0]) or "",
        allowed={name: _listed(kind) for name, _, _, kind in columns if kind.startswith("ENUM(")},
    )


DESCRIPTIONS: Mapping[str, Callable[[Address, Question], Described]] = {
    "postgresql": describe_postgres,
    "sqlite": describe_sqlite,
    "duckdb": describe_duckdb,
}
"""By kind of database; others by `describe_alchemy`."""


def _described(
    keys: Sequence[tuple[bool, tuple[str, ...]]],
    *,
    required: Iterable[str],
    comments: Mapping[str, str] | None = None,
    comment: str = "",
    allowed: Mapping[str, tuple[str, ...]] | None = None,
    indexed: Iterable[str] = (),
    updated: Iterable[str] = (),
) -> Described:
    """Return what is known; a unique key of which a column may be NULL identifies nothing then."""
    always = frozenset(required) | frozenset(
        name for is_primary, names in keys if is_primary for name in names
    )
    sound = [names for _, names in keys if always.issuperset(names)]
    return Described(
        keys=tuple(sound),
        has_primary=any(is_primary for is_primary, _ in keys),
        required=always,
        comment=comment.strip(),
        comments={name: text.strip() for name, text in (comments or {}).items() if text.strip()},
        allowed=allowed or {},
        indexed=frozenset(indexed),
        updated=frozenset(updated),
    )


def _listed(kind: str) -> tuple[str, ...]:
    """Return the values of an enum's type.

    Examples
    --------
    >>> _listed("enum('a','it''s')")
    ('a', "it's")
    """
    return tuple(text.replace("''", "'") for text in re.findall(r"'((?:[^']|'')*)'", kind))
