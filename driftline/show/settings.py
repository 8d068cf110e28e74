"""Settings of a stage after defaults: each key of its blocks with its value, and whether it was declared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import BaseModel

from declaration.pipeline import Pipeline
from declaration.predictions import PredictionsSpec


@dataclass(frozen=True)
class Setting:
    """One key of the declaration.

    Attributes
    ----------
    path
        Where it stands below `attributes`, such as `datasets.flights.source.type`.
    value
        As JSON.
    is_default
        Whether the declaration leaves it out.
    """

    path: str
    value: object
    is_default: bool


def stage_settings(pipeline: Pipeline, path: Sequence[str]) -> tuple[Setting, ...]:
    """Return the settings that a stage's asset goes by.

    Parameters
    ----------
    pipeline
        The declaration.
    path
        The asset's key without the pipeline, such as `("raw", "flights")`.
    """
    return tuple(_STAGES[path[0]](pipeline, path[-1]))


def _raw(pipeline: Pipeline, name: str) -> Iterator[Setting]:
    dataset = pipeline.spec.datasets[name]
    yield from _block(f"datasets.{name}.source", dataset.source)
    for column in dataset.columns:
        place = f"datasets.{name}.columns.{column}"
        declared = [setting for setting in _block(place, dataset.column(column)) if not setting.is_default]
        yield from declared
    for key in ("event_time", "key"):
        yield _setting(dataset, f"datasets.{name}", key)


def _profiled(pipeline: Pipeline, name: str) -> Iterator[Setting]:
    for number, expectation in enumerate(pipeline.spec.datasets[name].expectations):
        place = f"datasets.{name}.expectations.{number}"
        yield from _block(place, expectation)
        for key, value in expectation.arguments.items():
            yield Setting(f"{place}.{key}", _plain(value), is_default=False)


def _features(pipeline: Pipeline, name: str) -> Iterator[Setting]:
    view = pipeline.spec.features[name]
    if view.entity is not None:
        keys = pipeline.spec.view_keys(name)
        yield Setting(f"entities.{view.entity}", list(keys), is_default=False)
    yield from _block(f"features.{name}", view)


def _labels(pipeline: Pipeline, _: str) -> Iterator[Setting]:
    yield from _block("target", pipeline.spec.learned)


def _training_set(pipeline: Pipeline, _: str) -> Iterator[Setting]:
    for key in ("train_window", "sample"):
        yield _setting(pipeline.spec.model, "model", key)


def _model(pipeline: Pipeline, _: str) -> Iterator[Setting]:
    yield from _block("model", pipeline.spec.model)


def _predictions(pipeline: Pipeline, _: str) -> Iterator[Setting]:
    for key in ("dataset", "prediction_time", "where"):
        yield _setting(pipeline.spec.learned, "target", key)
    yield from _block("predictions", pipeline.spec.predictions or PredictionsSpec())


def _drift_report(pipeline: Pipeline, _: str) -> Iterator[Setting]:
    yield from _block("drift", pipeline.spec.drift)
    if pipeline.spec.target is not None:
        yield from _block("retrain", pipeline.spec.retrain)
    yield from _block("alerts", pipeline.spec.alerts)


_STAGES = {
    "raw": _raw,
    "profiled": _profiled,
    "features": _features,
    "labels": _labels,
    "training_set": _training_set,
    "model": _model,
    "predictions": _predictions,
    "drift_report": _drift_report,
}


def _block(place: str, block: BaseModel) -> Iterator[Setting]:
    """Return every key of a block, and those of the blocks in it."""
    for name in type(block).model_fields:
        value = getattr(block, name)
        if isinstance(value, BaseModel):
            is_declared = name in block.model_fields_set
            yield from (
                Setting(setting.path, setting.value, setting.is_default or not is_declared)
                for setting in _block(f"{place}.{name}", value)
            )
        else:
            yield _setting(block, place, name)


def _setting(block: BaseModel, place: str, name: str) -> Setting:
    return Setting(f"{place}.{name}", _plain(getattr(block, name)), name not in block.model_fields_set)


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return _plain(value.model_dump())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    return value
