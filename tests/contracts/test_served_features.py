"""The same features from each online store: what Feast's readers give differs in form between them."""

from pathlib import Path

from serving import open_serving
from tests.fixtures.serving_world import NOW, Row, asked, declared, features_of, trained, write_views
from tests.fixtures.stages import connected

ROWS: list[Row] = [
    ("m0", 1, 0.5), (None, 1, 0.5), ("m1", 1, None), ("m9", -5, 0.5), ("m3", 2, 0.5), ("m0", 1, 0.5), ("nobody", None, 0.5),
]  # fmt: skip


def test_each_store_serves_what_training_joins(online_url: str, tmp_path: Path) -> None:
    pipeline, connections = declared(tmp_path), connected(tmp_path, DRIFTLINE_ONLINE_URL=online_url)
    write_views(pipeline, connections)
    rows = asked(ROWS)
    with open_serving(pipeline, connections) as serving:
        found = serving.features(rows, NOW)
    assert found.table.equals(features_of(trained(pipeline, connections, rows)))
    assert found.status["place__share"].to_pylist() == [
        "present", "not_found", "present", "present", "not_found", "present", "not_found",
    ]  # fmt: skip
