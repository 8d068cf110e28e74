"""The choices that a declaration has."""

from __future__ import annotations

import subprocess
import sys
from typing import get_args

from declaration.choices import METRICS_BY_PROBLEM, default_metric
from declaration.model import Metric
from learning.metrics import _METRICS


def test_every_metric_that_may_be_declared_can_be_computed() -> None:
    assert set(_METRICS) == set(get_args(Metric))
    assert {name for names in METRICS_BY_PROBLEM.values() for name in names} == set(_METRICS)


def test_default_metrics_are_those_of_the_declaration_reference() -> None:
    assert [default_metric(problem) for problem in ("binary", "multiclass", "regression")] == [
        "roc_auc",
        "log_loss",
        "rmse",
    ]


def test_checking_a_choice_imports_no_heavy_library() -> None:
    heavy = "{'numpy', 'sklearn', 'mlflow', 'lightgbm', 'pyarrow', 'pandas'}"
    code = f"import sys, declaration.choices; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
