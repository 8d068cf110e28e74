"""Model files: exact, the same for the same model, and closed to anything strange."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import skops.io
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from learning.encode import ColumnEncoding, FeatureEncoding
from learning.fitted import FittedModel
from learning.model_file import model_from_bytes, model_to_bytes
from learning.skops_file import ModelFileError
from tests.fixtures.training_world import fitted


def test_another_process_writes_the_same_bytes(make_training_table: Callable[..., pa.Table]) -> None:
    code = (
        "import hashlib, tests.fixtures.training_world as world, learning.model_file as file;"
        "model = world.fitted(world.training_table(400), 'binary', 'hist_gradient_boosting');"
        "print(hashlib.sha256(file.model_to_bytes(model)).hexdigest())"
    )
    project = Path(__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=project, check=True
    )
    here = model_to_bytes(fitted(make_training_table(400), "binary", "hist_gradient_boosting"))
    assert found.stdout.strip() == hashlib.sha256(here).hexdigest()


class Malicious:
    """Would run a command if a pickle of it were read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("owned",))


def shell(matrix: Any) -> Any:
    """Stand for a function that a stranger would like to have called."""
    return matrix


def file_with(estimator: Any) -> bytes:
    encoding = FeatureEncoding((ColumnEncoding("x", "number"),))
    return model_to_bytes(FittedModel("logistic_regression", "binary", (), encoding, estimator))


def test_a_strange_object_inside_a_model_is_refused() -> None:
    model = LogisticRegression().fit(np.arange(10.0)[:, None], [0, 1] * 5)
    model.extra_ = Malicious.__new__(Malicious).__class__
    with pytest.raises(ModelFileError, match=r"types that no candidate .* consists of: .*Malicious"):
        model_from_bytes(file_with(model))


def test_a_strange_function_inside_a_pipeline_is_refused() -> None:
    steps = make_pipeline(FunctionTransformer(shell), LogisticRegression())
    with pytest.raises(ModelFileError, match="shell"):
        model_from_bytes(file_with(steps.fit(np.arange(10.0)[:, None], [0, 1] * 5)))


def test_an_estimator_that_skops_trusts_and_we_do_not_train_is_refused() -> None:
    model = SGDClassifier(random_state=0).fit(np.arange(10.0)[:, None], [0, 1] * 5)
    inner = zipfile.ZipFile(io.BytesIO(file_with(model))).read("estimator.skops")
    assert type(skops.io.loads(inner)) is SGDClassifier
    with pytest.raises(ModelFileError, match="Hinge"):
        model_from_bytes(file_with(model))


def test_a_known_type_under_a_strange_loader_is_refused() -> None:
    content = file_with(LogisticRegression().fit(np.arange(10.0)[:, None], [0, 1] * 5))

    def disguise(schema: dict[str, Any]) -> None:
        schema["content"]["__loader__"] = "MethodNode"

    with pytest.raises(ModelFileError, match=r"builtins\.dict"):
        model_from_bytes(changed_schema(content, disguise))


def changed_schema(content: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    outer = {
        name: zipfile.ZipFile(io.BytesIO(content)).read(name) for name in ("manifest.json", "estimator.skops")
    }
    archive = zipfile.ZipFile(io.BytesIO(outer["estimator.skops"]))
    parts = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(parts["schema.json"])
    change(schema)
    parts["schema.json"] = json.dumps(schema).encode()
    outer["estimator.skops"] = zipped(parts)
    return zipped(outer)


def zipped(parts: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return buffer.getvalue()


@pytest.mark.parametrize("field", ["left", "feature_idx"])
def test_a_tree_that_points_outside_itself_is_refused(field: str) -> None:
    generator = np.random.default_rng(0)
    matrix = generator.normal(size=(200, 2))
    model = HistGradientBoostingClassifier(max_iter=2).fit(matrix, matrix[:, 0] > 0)
    model._predictors[0][0].nodes[field][0] = 10_000
    with pytest.raises(ModelFileError, match="points outside itself"):
        model_from_bytes(file_with(model))


def test_something_else_than_a_model_file_is_refused() -> None:
    with pytest.raises(ModelFileError, match="not a model file"):
        model_from_bytes(b"\x80\x04pickle")


def test_a_later_layout_is_refused() -> None:
    with pytest.raises(ModelFileError, match="layout 99"):
        model_from_bytes(zipped({"manifest.json": b'{"format": 99}'}))
