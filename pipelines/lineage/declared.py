"""The columns of a declaration as one graph: source, dataset, query, view, labels, training set, predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from assets.features.view_sql import TIME_COLUMNS
from declaration.datasets import DatasetSpec
from declaration.forecast import target_rows
from declaration.pipeline import Pipeline
from declaration.queries import tables_read
from declaration.sources.upstream import AssetSourceSpec
from declaration.sql import quote_identifier
from declaration.target import TargetSpec
from declaration.target_sql import REQUEST_PREFIX, entity_keys, target_event_time, target_key
from declaration.upstream import UpstreamDataset
from learning.explain.largest_parts import contribution_fields
from learning.score_columns import decision_fields, score_fields
from pipelines.lineage.graph import Edge, Lineage, Node, Stage
from pipelines.lineage.query import ROWS, ColumnOf, QueryLineage, UnresolvedLineageError, query_lineage
from pipelines.loading.checks.queries import BoundColumns, bound_columns

JOIN_MARK = "__"
"""Between view and feature in a training set's columns; Feast's."""


def declared_lineage(pipeline: Pipeline) -> Lineage:
    """Read the lineage of every column from a sound declaration, without its data.

    Returns
    -------
    Lineage
        From the sources' columns to predictions; the models that have been registered are no part of it.
    """
    bound = bound_columns(pipeline)
    tables = _tables(pipeline, bound)
    edges: list[Iterator[Edge]] = [
        _dataset_edges(name, dataset, pipeline.upstream.get(name))
        for name, dataset in pipeline.spec.datasets.items()
    ]
    unresolved: dict[str, str] = {}
    texts: list[tuple[Stage, str, str, Sequence[str]]] = [
        ("query", name, pipeline.sql[path], tuple(bound.queries.get(name, ())))
        for name, path in pipeline.spec.queries.items()
    ]
    texts += [
        ("features", name, pipeline.sql[view.sql], tuple(bound.views.get(name, ())))
        for name, view in pipeline.spec.features.items()
    ]
    for stage, name, sql, columns in texts:
        try:
            lineage = _checked(query_lineage(sql, tables), columns)
            edges.append(_query_edges(pipeline, stage, name, lineage))
        except UnresolvedLineageError as error:
            unresolved[name] = str(error)
            edges.append(_unresolved_edges(pipeline, stage, name, sql, columns))
    if pipeline.spec.target is not None:
        try:
            edges.append(iter([*_label_edges(pipeline, pipeline.spec.target, tables)]))
        except UnresolvedLineageError as error:
            unresolved["labels"] = str(error)
        edges.append(_learning_edges(pipeline, pipeline.spec.target, bound))
    return Lineage(frozenset(chain.from_iterable(edges)), unresolved)


def training_column(view: str, feature: str) -> str:
    """Name a view's feature as training sets and models do."""
    return f"{view}{JOIN_MARK}{feature}"


def _table_node(pipeline: Pipeline, column: ColumnOf) -> Node:
    """Return the column of a dataset or named query."""
    return Node("dataset" if column.table in pipeline.spec.datasets else "query", column.table, column.column)


def _tables(pipeline: Pipeline, bound: BoundColumns) -> Mapping[str, Sequence[str]]:
    datasets = {name: tuple(dataset.columns) for name, dataset in pipeline.spec.datasets.items()}
    return datasets | {name: tuple(columns) for name, columns in bound.queries.items()}


def _checked(lineage: QueryLineage, columns: Sequence[str]) -> QueryLineage:
    """Hold one parser to the other: both must see the same columns."""
    if [name.lower() for name in lineage.columns] != [name.lower() for name in columns]:
        raise UnresolvedLineageError(
            f"it gives the columns {', '.join(columns) or 'none'}, and its text was read as {', '.join(lineage.columns)}"
        )
    return QueryLineage(dict(zip(columns, lineage.columns.values(), strict=True)), lineage.rows)


def _dataset_edges(name: str, dataset: DatasetSpec, upstream: UpstreamDataset | None) -> Iterator[Edge]:
    read = {ROWS}
    for column in dataset.columns:
        spec = dataset.column(column)
        node = Node("dataset", name, column)
        sources = [spec.source or column] if spec.sql is None else _columns_named(spec.sql)
        read.update(sources)
        yield from (Edge(Node("source", name, source), node) for source in sources)
    # Rows are the source's own.
    yield Edge(Node("source", name, ROWS), Node("dataset", name, ROWS))
    maker = _maker(dataset, upstream)
    if maker is not None:
        yield from (Edge(Node("source", maker, column), Node("source", name, column)) for column in read)


def _maker(dataset: DatasetSpec, upstream: UpstreamDataset | None) -> str | None:
    """Name the dataset of another pipeline, or the asset of another code location, that a source is."""
    if upstream is not None:
        return f"{upstream.pipeline}/{upstream.dataset}"
    return dataset.source.key if isinstance(dataset.source, AssetSourceSpec) else None


def _columns_named(sql: str) -> Sequence[str]:
    """List the columns of one expression; those that the reader adds (a row's place) are the source's rows."""
    import sqlglot
    from sqlglot import expressions as exp

    references = sqlglot.parse_one(f"SELECT ({sql})", dialect="duckdb").find_all(exp.Column)
    names = {ROWS if reference.name.startswith("_driftline_") else reference.name for reference in references}
    return sorted(names)


def _query_edges(pipeline: Pipeline, stage: Stage, name: str, lineage: QueryLineage) -> Iterator[Edge]:
    rows = Node(stage, name, ROWS)
    for column, behind in lineage.columns.items():
        node = Node(stage, name, column)
        yield from (Edge(_table_node(pipeline, source), node) for source in behind)
        # A constant says something by the rows that carry it: one side of a union, an outer join's match.
        yield Edge(rows, node, "rows" if behind else "value")
    yield from (Edge(_table_node(pipeline, source), rows) for source in lineage.rows)


def _unresolved_edges(
    pipeline: Pipeline, stage: Stage, name: str, sql: str, columns: Sequence[str]
) -> Iterator[Edge]:
    for table in tables_read(sql):
        for column in (*columns, ROWS):
            behind = _table_node(pipeline, ColumnOf(table, ROWS))
            yield Edge(behind, Node(stage, name, column), "unresolved")


def _label_edges(
    pipeline: Pipeline, target: TargetSpec, tables: Mapping[str, Sequence[str]]
) -> Iterator[Edge]:
    """Read the target's expressions as one query over the rows to predict."""
    spec = pipeline.spec
    event_time = target_event_time(spec)
    identifiers = [
        name for name in dict.fromkeys((*target_key(spec), *entity_keys(spec))) if name != event_time
    ]
    identity = ", ".join(quote_identifier(name) for name in target_key(spec))
    expressions = {
        "row_id": f"concat({identity})",
        **{name: quote_identifier(name) for name in identifiers},
        "event_timestamp": target.prediction_time,
        "event_time": quote_identifier(event_time),
        "label": target.label,
        "label_time": f"CASE WHEN ({target.label}) IS NOT NULL THEN ({target.label_time}) END",
        **{REQUEST_PREFIX + name: sql for name, sql in target.request_features.items()},
    }
    listed = ", ".join(f"(\n{sql}\n) AS {quote_identifier(name)}" for name, sql in expressions.items())
    where = f" WHERE (\n{target.where}\n)" if target.where else ""
    sql = f"SELECT {listed} FROM {target_rows(spec, event_time)}{where}"
    lineage = _checked(query_lineage(sql, tables), tuple(expressions))
    yield from _query_edges(pipeline, "labels", "labels", lineage)


def _learning_edges(pipeline: Pipeline, target: TargetSpec, bound: BoundColumns) -> Iterator[Edge]:
    """Lead features and labels into training set and predictions, and what is predicted from into the score."""
    spec = pipeline.spec
    n_parts = spec.predictions.contributions if spec.predictions is not None else 0
    instant = Node("labels", "labels", "event_timestamp")
    ahead: list[tuple[Node, str, Sequence[Node]]] = [
        (Node("labels", "labels", REQUEST_PREFIX + name), REQUEST_PREFIX + name, ())
        for name in target.request_features
    ]
    for view, columns in bound.views.items():
        keys = spec.view_keys(view)
        joined = [Node("features", view, name) for name in columns if name in (*keys, *TIME_COLUMNS)]
        joined += [instant, *(Node("labels", "labels", key) for key in keys)]
        ahead += [
            (Node("features", view, name), training_column(view, name), joined)
            for name in columns
            if name not in (*keys, *TIME_COLUMNS)
        ]
    for feature, column, joined_on in ahead:
        for stage in _STAGES_WITH_FEATURES:
            node = Node(stage, stage, column)
            yield Edge(feature, node)
            yield from (Edge(source, node, "rows") for source in joined_on)
        for score in (
            *score_fields(target.problem),
            *decision_fields(spec.model, target.problem),
            *contribution_fields(n_parts),
        ):
            yield Edge(
                Node("predictions", "predictions", column), Node("predictions", "predictions", score.name)
            )
    labels = "labels"
    for name in ("label", "label_time", "row_id", "event_timestamp"):
        yield Edge(Node("labels", labels, name), Node("training_set", "training_set", name))
    for name in ("row_id", "event_timestamp"):
        yield Edge(Node("labels", labels, name), Node("predictions", "predictions", name))
    for name in ("label", "label_time", ROWS):
        yield Edge(Node("labels", labels, name), Node("training_set", "training_set", ROWS))
    yield Edge(Node("labels", labels, ROWS), Node("predictions", "predictions", ROWS))


_STAGES_WITH_FEATURES: tuple[Stage, ...] = ("training_set", "predictions")
