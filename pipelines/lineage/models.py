"""Model versions in the graph of columns: the features of each, and the one that scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pipelines.lineage.graph import Edge, Lineage, Node

_SCORES = ("score", "scores", "prediction")


def version_node(version: int) -> Node:
    """Return the node of a registered model."""
    return Node("model", "model", f"version {version}")


def with_models(lineage: Lineage, read: Mapping[int, Sequence[str]], champion: int | None) -> Lineage:
    """Add the registered versions.

    Parameters
    ----------
    lineage
        As declared.
    read
        By version: the training set's columns that it reads.
    champion
        The version that scores; None if none does.
    """
    return Lineage(lineage.edges | frozenset(_model_edges(lineage, read, champion)), lineage.unresolved)


def versions_that_read(lineage: Lineage, node: Node) -> tuple[str, ...]:
    """List the model versions that a column reaches, by value."""
    reached = lineage.without_rows().reach([node], "down")
    columns = (reader.column for reader in reached if reader.stage == "model")
    return tuple(sorted(columns, key=lambda name: (len(name), name)))


def _model_edges(lineage: Lineage, read: Mapping[int, Sequence[str]], champion: int | None) -> Iterator[Edge]:
    for version, columns in read.items():
        for column in columns:
            yield Edge(Node("training_set", "training_set", column), version_node(version))
    if champion is not None:
        for score in lineage.nodes:
            if score.stage == "predictions" and score.column in _SCORES:
                yield Edge(version_node(champion), score)
