"""Two model files compared part by part."""

from dataclasses import replace

from learning.model_file import model_to_bytes
from learning.model_parts import differing_parts
from tests.fixtures.training_world import fitted, training_table


def test_the_differing_part_is_named() -> None:
    table = training_table(300)
    model = fitted(table, "binary", "decision_tree")
    content = model_to_bytes(model)
    assert differing_parts(content, content) == ()
    renamed = model_to_bytes(replace(model, candidate="shallow"))
    assert differing_parts(content, renamed) == ("candidate in manifest.json",)
    other = model_to_bytes(fitted(training_table(300, strength=-2.0), "binary", "decision_tree"))
    assert differing_parts(content, other) == ("estimator.skops",)


def test_another_compression_alone_is_told() -> None:
    content = model_to_bytes(fitted(training_table(300), "binary", "decision_tree"))
    # What stands behind an archive is none of its parts.
    assert differing_parts(content, content + b"\0") == ("compression",)
