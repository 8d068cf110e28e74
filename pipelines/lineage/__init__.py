"""Which columns a column is made of: read from the SQL, and drawn as one graph from source to prediction."""

from pipelines.lineage.declared import declared_lineage
from pipelines.lineage.graph import Edge, Lineage, Node

__all__ = ["Edge", "Lineage", "Node", "declared_lineage"]
