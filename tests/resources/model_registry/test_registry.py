"""The model registry on a real MLflow store."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from resources.model_registry.registry import UNNUMBERED, ModelRegistry
from resources.model_registry.version import ModelRegistryError, ModelVersion

CONTENT = b"a model file"


def model(content: bytes = CONTENT, *, importances: Mapping[str, float] | None = None) -> ModelVersion:
    shares = importances or {"a__x": 0.25, "b__x": 0.75}
    return ModelVersion(
        version=UNNUMBERED,
        algorithm="lightgbm",
        training_partition="2024-01-01",
        training_table_version=7,
        metric="roc_auc",
        holdout_metric=0.7123456789012345,
        holdout_low=0.69,
        holdout_high=float("nan"),
        holdout_start=datetime(2024, 1, 20, 5, 30, 0, 1, tzinfo=UTC),
        feature_names=tuple(sorted(shares)),
        importances=shares,
        n_training_rows=1_234,
        artifact_sha256=hashlib.sha256(content).hexdigest(),
        registered_at=datetime(2024, 2, 1, tzinfo=UTC),
    )


def register(registry: ModelRegistry, pipeline: str, key: str, content: bytes = CONTENT) -> ModelVersion:
    return registry.register(
        pipeline,
        model(content),
        content,
        training_key=key,
        params={"seed": "0"},
        metrics={"roc_auc": 0.7, "lightgbm/roc_auc": 0.7},
        tags={"driftline.run_id": "run"},
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> ModelRegistry:
    root = tmp_path_factory.mktemp("mlflow")
    made = ModelRegistry(tracking_uri=f"sqlite:///{root}/db/mlflow.db", artifact_root=str(root / "models"))
    made.prepare()
    return made


def test_all_that_is_known_of_a_version_is_read_back(registry: ModelRegistry) -> None:
    registered = register(registry, "known", "key")
    assert registered.version == 1
    found = registry.version("known", 1)
    # NaN is not equal to itself.
    assert replace(found, holdout_high=0.0) == replace(registered, holdout_high=0.0)
    assert found.holdout_high != found.holdout_high
    assert registry.versions("known")[0].importances == {"a__x": 0.25, "b__x": 0.75}


def test_a_thousand_features_fit(registry: ModelRegistry) -> None:
    shares = {f"some_feature_view__a_feature_of_usual_length_{number:04d}": 0.001 for number in range(1_000)}
    content = b"wide"
    wide = model(content, importances=shares)
    registry.register("wide", wide, content, training_key="k", params={}, metrics={}, tags={})
    assert registry.version("wide", 1).importances == shares


def test_the_same_training_is_registered_once(registry: ModelRegistry) -> None:
    numbers = [register(registry, "once", key).version for key in ("a", "b", "a", "b")]
    assert numbers == [1, 2, 1, 2]
    assert len(registry.versions("once")) == 2
    found = registry.find("once", "b")
    assert found is not None
    assert found.version == 2
    assert registry.find("once", "c") is None


def test_aliases_name_versions_and_can_be_taken_away(registry: ModelRegistry) -> None:
    assert registry.aliases("aliased") == {}
    assert registry.champion("aliased") is None
    register(registry, "aliased", "a")
    register(registry, "aliased", "b")
    assert registry.point_aliases("aliased", {"champion": 2, "previous": 1, "challenger": None}) == {
        "champion": 2,
        "previous": 1,
    }
    champion = registry.champion("aliased")
    assert champion is not None
    assert champion.version == 2
    assert registry.point_aliases("aliased", {"champion": 2, "previous": 1, "challenger": None}) == {}
    registry.point_aliases("aliased", {"champion": None, "previous": None})
    assert registry.champion("aliased") is None


def test_pipelines_do_not_see_each_others_versions(registry: ModelRegistry) -> None:
    register(registry, "mine", "key")
    register(registry, "yours", "key")
    assert [one.version for one in registry.versions("mine")] == [1]


def test_a_model_file_comes_back_whole(registry: ModelRegistry) -> None:
    register(registry, "file", "key")
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    assert registry.model_file("file", 1, sha256=sha256) == CONTENT


def test_a_changed_model_file_is_refused(registry: ModelRegistry) -> None:
    register(registry, "changed", "key")
    (file,) = (Path(registry.artifact_root) / "changed").rglob("model.zip")
    file.write_bytes(b"another model")
    with pytest.raises(ModelRegistryError, match=r"'changed' version 1 has sha256 .* the ledger trusts"):
        registry.model_file("changed", 1, sha256=hashlib.sha256(CONTENT).hexdigest())


def test_a_lost_model_file_is_named(registry: ModelRegistry) -> None:
    register(registry, "lost", "key")
    (file,) = (Path(registry.artifact_root) / "lost").rglob("model.zip")
    file.unlink()
    with pytest.raises(ModelRegistryError, match=r"model file of 'lost' version 1 cannot be read"):
        registry.model_file("lost", 1, sha256="")


def test_a_file_with_another_hash_than_stated_is_not_registered(registry: ModelRegistry) -> None:
    with pytest.raises(ModelRegistryError, match="does not have the stated sha256"):
        registry.register("stated", model(), b"other", training_key="k", params={}, metrics={}, tags={})
    assert registry.versions("stated") == ()


def test_a_version_that_is_not_there_is_named(registry: ModelRegistry) -> None:
    register(registry, "short", "key")
    with pytest.raises(ModelRegistryError, match="pipeline 'short' has no model version 2"):
        registry.version("short", 2)


def test_importing_the_registry_does_not_import_mlflow() -> None:
    code = "import sys, resources.model_registry.registry; print('mlflow' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
