"""Column-level lineage: the upstream columns of each column, read from the SQL, from source to prediction."""

from pipelines.lineage.declared import declared_lineage
from pipelines.lineage.graph import Edge, Lineage, Node

__all__ = ["Edge", "Lineage", "Node", "declared_lineage"]
