"""Checks of candidates' preprocessing, and of estimators of one's own, as far as no data is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from declaration.model import CandidateSpec
from declaration.pipeline import Pipeline
from declaration.preprocess import ColumnSteps, NumberSteps, PreprocessSpec
from declaration.spec import PipelineSpec
from declaration.target_sql import REQUEST_PREFIX
from learning.algorithms.own import PYTHON, declared_fault
from learning.algorithms.table import ALGORITHMS
from learning.preprocess.reading import SEPARATOR, column_fault
from pipelines.loading.problems import Fault, KeyPath, label
from pipelines.loading.recovery import is_unreliable

_TEXT_ENCODINGS = ("tfidf", "hashing")
_ANY_KIND = {
    "number": ("missing", "value", "indicator", "outliers", "limit", "scale"),
    "category": ("missing", "encode", "n_features", "scale"),
    "text": ("encode", "n_features"),
    "date": ("missing", "value", "indicator", "scale", "parts", "cyclic"),
}
"""Keys that a column of each kind has a use for."""


def own_estimator_faults(pipeline: Pipeline, unreliable_paths: Collection[KeyPath]) -> Iterator[Fault]:
    """Find classes that are not there, or that no safe format holds."""
    spec = pipeline.spec
    if spec.target is None:
        return
    for position, candidate in enumerate(spec.model.competitors):
        place: KeyPath = ("model", "candidates", position)
        if is_unreliable(place, unreliable_paths):
            continue
        if not candidate.is_own:
            if candidate.trusted:
                yield Fault(
                    place, f"{label(place)} is trusted, which only a class of yours can be. Remove `trusted`."
                )
            continue
        file = candidate.use.rpartition(":")[0]
        source = pipeline.sql.get(file) if file.endswith(PYTHON) else None
        if file.endswith(PYTHON) and source is None:
            continue
        if fault := declared_fault(candidate, spec.target.problem, source):
            yield Fault(place, f"{label(place)} {fault}")


def preprocess_faults(spec: PipelineSpec) -> Iterator[Fault]:
    """Find settings that contradict each other, or leave what an algorithm cannot read."""
    seen: set[tuple[KeyPath, str]] = set()
    for path, candidate, block in preprocess_blocks(spec):
        for below, text in _faults(block, candidate):
            place = (*path, *below)
            if (place, text) not in seen:
                seen.add((place, text))
                yield Fault(place, f"{label(place)} {text}")


def preprocess_blocks(spec: PipelineSpec) -> Iterator[tuple[KeyPath, CandidateSpec, PreprocessSpec]]:
    """Give each candidate with the preprocessing that holds for it, and where that stands."""
    for position, (written, candidate) in enumerate(
        zip(spec.model.candidates, spec.model.competitors, strict=True)
    ):
        if candidate.preprocess is None:
            continue
        has_own = isinstance(written, CandidateSpec) and written.preprocess is not None
        path: KeyPath = (
            ("model", "candidates", position, "preprocess") if has_own else ("model", "preprocess")
        )
        yield path, candidate, candidate.preprocess


def preprocess_column_faults(spec: PipelineSpec, given: Mapping[str, Collection[str]]) -> Iterator[Fault]:
    """Find names in `preprocess.columns` that are no feature.

    Parameters
    ----------
    spec
        The declaration; it has a target.
    given
        Features by view. Where a view could not be read, names are not judged.
    """
    if any(view not in given for view in spec.features):
        return
    names = [f"{view}{SEPARATOR}{feature}" for view, features in given.items() for feature in features]
    names += [f"{REQUEST_PREFIX}{name}" for name in spec.learned.request_features]
    seen: set[KeyPath] = set()
    for path, _, block in preprocess_blocks(spec):
        for name in block.columns:
            place = (*path, "columns", name)
            if place not in seen and (fault := column_fault(name, sorted(names))):
                yield Fault(place, f"{label((*path, 'columns'))} {fault}")
            seen.add(place)


def _faults(block: PreprocessSpec, candidate: CandidateSpec) -> Iterator[tuple[KeyPath, str]]:
    yield from _number_faults(("numbers",), block.numbers, block.numbers)
    if block.categories.n_features is not None and block.categories.encode != "hashing":
        yield (
            ("categories", "n_features"),
            "is set, but only `encode: hashing` has a number of columns. Remove it.",
        )
    for name, steps in block.columns.items():
        place = ("columns", name)
        yield from _number_faults(place, steps, block.numbers)
        yield from _column_faults(place, steps, block)
    yield from _unreadable(block, candidate)


def _number_faults(
    place: KeyPath, steps: NumberSteps | ColumnSteps, of_kind: NumberSteps
) -> Iterator[tuple[KeyPath, str]]:
    missing, outliers = steps.missing or of_kind.missing, steps.outliers or of_kind.outliers
    if steps.value is not None and missing != "constant":
        yield (
            (*place, "value"),
            f"is {steps.value:g}, but only `missing: constant` has a value. Remove it, or say so.",
        )
    if steps.missing == "constant" and steps.value is None and of_kind.value is None:
        yield (*place, "missing"), "is constant, but no `value` is given. Add it."
    if steps.limit is not None and outliers in (None, "none"):
        yield (
            (*place, "limit"),
            f"is {steps.limit:g}, but nothing is clipped. Add `outliers: iqr` or z_score.",
        )


def _column_faults(
    place: KeyPath, steps: ColumnSteps, block: PreprocessSpec
) -> Iterator[tuple[KeyPath, str]]:
    kind = "text" if steps.encode == "tfidf" and steps.kind is None else steps.kind
    if kind is not None:
        for key in sorted(steps.model_fields_set - {"kind", *_ANY_KIND[kind]}):
            yield (
                (*place, key),
                f"is set, but a {kind} has no use for it. It has: {', '.join(_ANY_KIND[kind])}.",
            )
    if kind == "text" and steps.encode is not None and steps.encode not in _TEXT_ENCODINGS:
        yield (
            (*place, "encode"),
            f"is {steps.encode}, which is no way to read a text. Allowed: tfidf, hashing.",
        )
    if kind == "category" and steps.encode == "tfidf":
        yield (*place, "encode"), "is tfidf, which reads texts. Remove `kind: category`, or encode otherwise."
    encode = steps.encode or block.categories.encode
    if steps.n_features is not None and kind != "text" and encode not in _TEXT_ENCODINGS:
        yield (
            (*place, "n_features"),
            "is set, but only tfidf and hashing have a number of columns. Add `encode`, or `kind: text`.",
        )


def _unreadable(block: PreprocessSpec, candidate: CandidateSpec) -> Iterator[tuple[KeyPath, str]]:
    """Find gaps and codes that are left to an algorithm that reads neither."""
    algorithm = ALGORITHMS.get(candidate.use)
    if algorithm is None or algorithm.wants not in ("scaled", "scaled_dense"):
        return
    filled = "Allowed here: mean, median, most_frequent, constant, knn."
    encoded = "Allowed here: one_hot, ordinal, target, hashing."
    if block.numbers.missing == "native":
        yield ("numbers", "missing"), f"is native, but {candidate.use} cannot read missing values. {filled}"
    if block.categories.encode == "native":
        yield (
            ("categories", "encode"),
            f"is native, but {candidate.use} cannot read codes without an order. {encoded}",
        )
    for name, steps in block.columns.items():
        if steps.encode == "native":
            yield (
                ("columns", name, "encode"),
                f"is native, but {candidate.use} cannot read codes without an order. {encoded}",
            )
        if steps.missing == "native" and steps.kind in ("number", "date"):
            yield (
                ("columns", name, "missing"),
                f"is native, but {candidate.use} cannot read missing values. {filled}",
            )
