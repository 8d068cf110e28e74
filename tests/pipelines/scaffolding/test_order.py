"""Rows without times: what the scaffolder asks about their order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipelines.scaffolding.options import ScaffoldOptions
from pipelines.scaffolding.scaffolder import save, scaffold_source


def _declared(rows: pd.DataFrame, folder: Path) -> str:
    folder.mkdir()
    rows.to_csv(folder / "meter.csv", index=False)
    options = ScaffoldOptions(source=str(folder / "meter.csv"))
    save(scaffold_source(options, folder=folder, start=folder, type_name="driftline.MLPipeline"), folder)
    text = (folder / "defs.yaml").read_text()
    return " ".join(line.strip().removeprefix("#").strip() for line in text.splitlines())


def _walk(n_rows: int) -> pd.DataFrame:
    """An autoregressive series (its lag-1 correlation is 0.9 by construction), a counter, and noise."""
    draw = np.random.default_rng(0)
    series = np.zeros(n_rows)
    for i in range(1, n_rows):
        series[i] = 0.9 * series[i - 1] + draw.normal()
    return pd.DataFrame({"n": np.arange(n_rows), "load": series, "noise": draw.normal(size=n_rows)})


def test_rows_in_an_order_are_offered_as_partitions_of_rows(tmp_path: Path) -> None:
    rows = _walk(6_000)
    alike = np.corrcoef(rows["load"][1:], rows["load"][:-1])[0, 1]
    text = _declared(rows, tmp_path / "ordered")
    assert f"load: correlation {alike:.2f}" in text
    assert "scaffold again with `--event-time rows`: 20 partitions of 300 rows" in text
    assert "partitions: {every: load}" in text


def test_a_shuffled_table_is_asked_about_without_a_sign_of_order(tmp_path: Path) -> None:
    text = _declared(_walk(6_000).sample(frac=1, random_state=0), tmp_path / "shuffled")
    assert "do the rows stand in the order in which they came to be? If so" in text


@pytest.mark.parametrize("column", ["n", "sorted"])
def test_what_a_file_was_sorted_by_is_no_sign_of_order(tmp_path: Path, column: str) -> None:
    rows = pd.DataFrame({column: np.sort(np.random.default_rng(1).normal(size=3_000))})
    assert "correlation" not in _declared(rows, tmp_path / "sorted")


def test_a_table_too_short_to_cut_is_not_asked_about(tmp_path: Path) -> None:
    assert "--event-time rows" not in _declared(_walk(1_000), tmp_path / "short")
