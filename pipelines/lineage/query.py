"""Column-level lineage of a query: the upstream columns of each of its columns.

sqlglot names the table of every column; here the names are followed through common table
expressions, subqueries and unions. What cannot be followed is refused with the reason, never guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from declaration.errors import DriftlineError

if TYPE_CHECKING:
    from sqlglot import expressions as exp
    from sqlglot.optimizer.scope import Scope

ROWS = "*"
"""Stands for a table's rows in place of a column: what `count(*)` depends on."""


class UnresolvedLineageError(DriftlineError):
    """The columns behind a query cannot be told."""


@dataclass(frozen=True, order=True)
class ColumnOf:
    """A column of a table that a query reads; `*` for its rows."""

    table: str
    column: str


@dataclass(frozen=True)
class QueryLineage:
    """Lineage of a query's result.

    Attributes
    ----------
    columns
        By column of the result, in its order: columns that its expression names, windows included. `count(*)` names
        the rows that it counts: the tables' rows, and the columns that filter, join and group them.
    rows
        What decides which rows there are: tables' rows, and columns in WHERE, JOIN, GROUP BY, HAVING, QUALIFY,
        DISTINCT, and in ORDER BY with LIMIT.
    """

    columns: Mapping[str, frozenset[ColumnOf]]
    rows: frozenset[ColumnOf]


def query_lineage(sql: str, tables: Mapping[str, Sequence[str]]) -> QueryLineage:
    """Follow every column of a query back to the tables that it reads.

    Parameters
    ----------
    sql
        One SELECT statement in DuckDB's dialect.
    tables
        Columns of every table that it may read. DuckDB ignores the case of names, quoted or not; results
        carry the names as they are given here.

    Raises
    ------
    UnresolvedLineageError
        If a name cannot be followed: the message says which, or which construct.

    Examples
    --------
    >>> found = query_lineage("SELECT a + b AS c, count(*) OVER (ORDER BY b) AS n FROM t", {"t": ("a", "b")})
    >>> sorted(one.column for one in found.columns["c"]), sorted(one.column for one in found.columns["n"])
    (['a', 'b'], ['*', 'b'])
    """
    import sqlglot
    from sqlglot import expressions as exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    schema: dict[str, object] = {
        name.lower(): {c.lower(): "unknown" for c in columns} for name, columns in tables.items()
    }
    try:
        parsed = sqlglot.parse_one(sql, dialect="duckdb")
        spelled = {
            expression.alias_or_name.lower(): expression.alias_or_name
            for select in parsed.find_all(exp.Select)
            for expression in select.expressions
        }
        tree = qualify(parsed, dialect="duckdb", schema=schema)
        scope = build_scope(tree)
    except (SqlglotError, RecursionError) as error:
        raise UnresolvedLineageError(_plain(str(error))) from error
    if scope is None:
        raise UnresolvedLineageError("it is not a SELECT statement")
    _refuse_unfollowed(tree)
    walk = _Walk(tables)
    names = walk.outputs(scope)
    spelled = {c.lower(): c for columns in tables.values() for c in columns} | spelled
    return QueryLineage(
        {spelled.get(name, name): walk.reached([(scope, name)]) for name in names},
        walk.reached([(scope, ROWS)]),
    )


def _plain(message: str) -> str:
    return " ".join(message.split("\n")[0].split()).rstrip(".")


def _refuse_unfollowed(tree: exp.Expr) -> None:
    """Refuse constructs whose columns depend on data or on patterns of names."""
    from sqlglot import expressions as exp

    for kind, words in ((exp.Pivot, "PIVOT"), (exp.Columns, "COLUMNS(…)")):
        if tree.find(kind):
            raise UnresolvedLineageError(f"it uses {words}, whose columns are not written in the query")
    if tree.find(exp.TableColumn):
        raise UnresolvedLineageError("it takes a table's whole row as one value")
    if any(clause.recursive for clause in tree.find_all(exp.With)):
        raise UnresolvedLineageError("it is recursive (WITH RECURSIVE)")
    for star in tree.find_all(exp.Star):
        if not isinstance(star.parent, exp.Count):
            raise UnresolvedLineageError("it uses * in a place where it is not spelled out")


Place = tuple["Scope", str | int]
"""A column of one SELECT by name, or by place below a union, where names may be given twice; `*` for its rows."""


class _Walk:
    """Follows columns from scope to scope; a recursive expression is met once."""

    def __init__(self, tables: Mapping[str, Sequence[str]]) -> None:
        self._tables = {name.lower(): name for name in tables}
        self._columns = {
            (name.lower(), column.lower()): column for name, columns in tables.items() for column in columns
        }

    def reached(self, start: Collection[Place]) -> frozenset[ColumnOf]:
        """Return the columns of tables behind some places."""
        columns: set[ColumnOf] = set()
        waiting, seen = list(start), {(id(scope), name) for scope, name in start}
        while waiting:
            for place in self._behind(*waiting.pop()):
                if isinstance(place, ColumnOf):
                    columns.add(place)
                elif (id(place[0]), place[1]) not in seen:
                    seen.add((id(place[0]), place[1]))
                    waiting.append(place)
        return frozenset(columns)

    def outputs(self, scope: Scope) -> list[str]:
        """Name the columns that a scope gives, in order."""
        from sqlglot import expressions as exp

        node = scope.expression
        if isinstance(node, exp.SetOperation):
            first, second = (self.outputs(side) for side in scope.set_operation_scopes)
            return list(dict.fromkeys([*first, *second])) if node.args.get("by_name") else first
        if isinstance(node, exp.Select):
            return [expression.alias_or_name for expression in node.expressions]
        return [str(name) for name in getattr(node, "named_selects", ())]

    def _behind(self, scope: Scope, name: str | int) -> Iterator[ColumnOf | Place]:
        from sqlglot import expressions as exp

        node = scope.expression
        if isinstance(node, exp.SetOperation):
            yield from self._behind_union(scope, node, name)
        elif isinstance(node, exp.Select):
            yield from self._row_columns(scope, node) if name == ROWS else self._value(scope, node, name)
        elif isinstance(node, exp.Subquery | exp.Lateral) and scope.subquery_scopes:
            yield from ((inner, name) for inner in scope.subquery_scopes)
        elif isinstance(node, exp.Unnest | exp.Values | exp.Lateral | exp.Tuple):
            # A table made of values: any of them may be in any column.
            yield from self._named_in(node, scope)
        else:
            raise UnresolvedLineageError(f"it uses {node.key.upper()}, which cannot be followed")

    def _behind_union(self, scope: Scope, node: exp.SetOperation, name: str | int) -> Iterator[Place]:
        sides = scope.set_operation_scopes
        if name == ROWS:
            yield from ((side, ROWS) for side in sides)
            if node.args.get("distinct") or node.key != "union":
                yield from ((side, at) for side in sides for at in range(len(self.outputs(side))))
            return
        names = self.outputs(scope)
        if not node.args.get("by_name"):
            yield from ((side, name if isinstance(name, int) else names.index(name)) for side in sides)
            return
        column = names[name] if isinstance(name, int) else name
        yield from ((side, column) for side in sides if column in self.outputs(side))

    def _value(self, scope: Scope, node: exp.Select, name: str | int) -> Iterator[ColumnOf | Place]:
        from sqlglot import expressions as exp

        expressions = [
            expression
            for at, expression in enumerate(node.expressions)
            if name == (at if isinstance(name, int) else expression.alias_or_name)
        ]
        if len(expressions) != 1:
            raise UnresolvedLineageError(f"'{name}' is not one column of the query that gives it")
        yield from self._named_in(expressions[0], scope)
        for window in expressions[0].find_all(exp.Window):
            yield from self._named_window(window, scope, node)
        if any(
            isinstance(count.this, exp.Star) or count.this is None
            for count in expressions[0].find_all(exp.Count)
        ):
            yield scope, ROWS

    def _named_window(
        self, window: exp.Window, scope: Scope, select: exp.Select
    ) -> Iterator[ColumnOf | Place]:
        """Return what the definition behind `OVER name` names; a definition may begin with another's name."""
        # In a definition `this` is its own name; in both, `alias` is the name it begins with.
        defined = {definition.name.lower(): definition for definition in select.args.get("windows") or ()}
        base = window.args.get("alias")
        while base is not None:
            if base.name.lower() not in defined:
                raise UnresolvedLineageError(f"the window '{base.name}' is not defined beside it")
            definition = defined.pop(base.name.lower())
            yield from self._named_in(definition, scope)
            base = definition.args.get("alias")

    def _row_columns(self, scope: Scope, node: exp.Select) -> Iterator[ColumnOf | Place]:
        from sqlglot import expressions as exp

        for source in scope.selected_sources.values():
            yield from self._rows_of(source[1], scope)
        parts = ["where", "having", "qualify", "distinct"]
        if node.args.get("limit") or (node.args.get("distinct") and node.args["distinct"].args.get("on")):
            parts.append("order")
        clauses = [node.args[part] for part in parts if node.args.get(part)]
        clauses += [
            condition
            for join in node.args.get("joins") or ()
            for condition in [join.args.get("on")]
            if condition is not None
        ]
        for clause in clauses:
            yield from self._named_in(clause, scope)
        group, distinct = node.args.get("group"), node.args.get("distinct")
        if group:
            yield from self._named_in(group, scope)
        for expression in node.expressions:
            groups_by_it = group and group.args.get("all") and not expression.find(exp.AggFunc)
            if (
                groups_by_it
                or (distinct and not distinct.args.get("on"))
                or expression.find(exp.Unnest, exp.Explode)
            ):
                yield from self._named_in(expression, scope)

    def _rows_of(self, source: exp.Expr | Scope, scope: Scope) -> Iterator[ColumnOf | Place]:
        from sqlglot import expressions as exp

        if not isinstance(source, exp.Expr):
            yield source, ROWS
        elif isinstance(source, exp.Table) and not isinstance(source.this, exp.Func):
            yield ColumnOf(self._table(source), ROWS)
        else:
            yield from self._named_in(source, scope)

    def _named_in(self, node: exp.Expr, scope: Scope) -> Iterator[ColumnOf | Place]:
        """Return what an expression names; a subquery in it counts with its columns and its rows."""
        from sqlglot import expressions as exp

        inner = {id(subquery.expression): subquery for subquery in scope.subquery_scopes}
        for part in node.walk(prune=lambda part: id(part) in inner):
            if id(part) in inner:
                yield inner[id(part)], ROWS
                yield from ((inner[id(part)], name) for name in self.outputs(inner[id(part)]))
            elif isinstance(part, exp.Column):
                yield from self._column(part, scope)

    def _column(self, column: exp.Column, scope: Scope) -> Iterator[ColumnOf | Place]:
        from sqlglot import expressions as exp

        if not column.table:
            raise UnresolvedLineageError(f"'{column.name}' is no column of one of its tables")
        at: Scope | None = scope
        while at is not None and column.table not in at.sources:
            at = at.parent
        if at is None:
            raise UnresolvedLineageError(f"'{column.table}', which it names, is not in its FROM")
        source = at.sources[column.table]
        if not isinstance(source, exp.Expr):
            yield source, column.name
        elif isinstance(source, exp.Table) and not isinstance(source.this, exp.Func):
            table = self._table(source)
            key = (table.lower(), column.name.lower())
            if key not in self._columns:
                raise UnresolvedLineageError(f"'{table}' has no column '{column.name}'")
            yield ColumnOf(table, self._columns[key])
        else:
            yield from self._named_in(source, at)

    def _table(self, source: exp.Table) -> str:
        if source.name.lower() not in self._tables:
            raise UnresolvedLineageError(f"it reads '{source.name}', which is no dataset or query")
        return self._tables[source.name.lower()]
