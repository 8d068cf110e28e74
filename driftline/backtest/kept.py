"""Trainings of a comparison, kept in the home: an interrupted one resumes, and the same question is trained once."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import pyarrow as pa
import pyarrow.parquet as pq

from declaration.model import ModelSpec
from drift.backtesting.trainer import Question
from drift.backtesting.versions import Judgement, Version
from driftline.backtest.past import Past
from driftline.version import versions
from learning.model_file import model_from_bytes, model_to_bytes
from learning.skops_file import ModelFileError

LAYOUT = 2
"""Version of what a kept training depends on; another one trains anew."""

MAX_HISTORIES = 3
"""Histories whose trainings are kept of a pipeline; the oldest give way."""

DIGITS = 20
"""Hexadecimal digits of a name."""


@dataclass(frozen=True)
class KeptTrainings:
    """A folder of trainings of one history under one `model` block: for each a model file, its judged rows and its figures."""

    folder: Path

    def read(self, question: Question) -> Version | None:
        """Return a training; None where it was not done, or its files are not whole."""
        name = _name(question)
        try:
            figures = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            model = model_from_bytes((self.folder / f"{name}.model").read_bytes())
            rows = pq.read_table(self.folder / f"{name}.parquet") if figures["is_judged"] else None
        except (OSError, ValueError, BadZipFile, ModelFileError, pa.ArrowException):
            # It is trained once more, and written over.
            return None
        judgement = None
        if rows is not None:
            judgement = Judgement(rows, figures["metric"], figures["holdout_metric"], figures["importances"])
        return Version(
            question.window,
            model,
            figures["knows_until_us"],
            figures["first"],
            question.left_out,
            figures["since_us"],
            judgement,
            figures["cpu_s"],
        )

    def write(self, question: Question, version: Version) -> None:
        """Keep a training; its figures come last, and say that it is whole."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name, judged = _name(question), version.judgement
        (self.folder / f"{name}.model").write_bytes(model_to_bytes(version.model))
        if judged is not None:
            pq.write_table(judged.rows, self.folder / f"{name}.parquet")
        figures = {
            "is_judged": judged is not None,
            "metric": judged.metric if judged else None,
            "holdout_metric": judged.holdout_metric if judged else None,
            "importances": dict(judged.importances) if judged else None,
            "knows_until_us": version.knows_until_us,
            "first": version.first,
            "since_us": version.since_us,
            "cpu_s": version.cpu_s,
        }
        unfinished = self.folder / f"{name}.json.unfinished"
        unfinished.write_text(json.dumps(figures), encoding="utf-8")
        unfinished.replace(self.folder / f"{name}.json")


def kept_trainings(home: Path, pipeline: str, past: Past, spec: ModelSpec) -> KeptTrainings:
    """Open the folder of a history's trainings; those of the oldest histories give way."""
    learned = spec.model_dump(
        mode="json", include={"candidates", "metric", "holdout", "seed", *ModelSpec.ADDED}
    )
    facts = [LAYOUT, versions(), past.reads, past.rows, past.history.features, past.history.keys, learned]
    fingerprint = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:DIGITS]
    root = home / "backtest" / pipeline
    folder = root / fingerprint
    folder.mkdir(parents=True, exist_ok=True)
    others = sorted(
        (other for other in root.iterdir() if other.is_dir() and other != folder),
        key=lambda other: other.stat().st_mtime,
    )
    for old in others[: max(0, len(others) - MAX_HISTORIES + 1)]:
        shutil.rmtree(old)
    return KeptTrainings(folder)


def _name(question: Question) -> str:
    identity = {**asdict(question), "left_out": sorted(question.left_out)}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:DIGITS]
