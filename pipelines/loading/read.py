"""Read a declaration: a folder's `defs.yaml` and SQL files become one `Pipeline`.

Nothing else reads those files. Every fault is found before the first is reported, each with
its line, what is allowed and the nearest match.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from declaration.errors import DriftlineError
from declaration.pipeline import Pipeline
from declaration.spec import PipelineSpec
from pipelines.loading.checks.blocks import block_faults
from pipelines.loading.checks.candidates import own_estimator_faults
from pipelines.loading.checks.queries import query_faults
from pipelines.loading.forecasts import forecast_faults, with_forecast
from pipelines.loading.problems import NAME_PATTERN, Fault, choices, tidy
from pipelines.loading.recovery import is_unreliable, recover, unreliable_keys
from pipelines.loading.schema import validate
from pipelines.loading.sql_files import SqlFiles, read_sql_files
from pipelines.loading.upstream import Neighbours, upstream_faults, upstream_of
from pipelines.loading.yaml_lines import MarkedYaml, parse

FILE_NAME = "defs.yaml"

COMPONENT = "driftline.MLPipeline"
"""The `type` of a declaration, as the docs write it."""

COMPONENTS = (COMPONENT, "pipelines.MLPipeline")
"""Names of the component: the second is its module's own."""

POLICY_BLOCKS = ("drift", "retrain")
"""Blocks that a policy file may hold."""

_ENVELOPE = ("type", "attributes", "requirements", "template_vars_module", "post_processing")
"""Keys beside `attributes` that Dagster's component files have."""


class DeclarationError(DriftlineError):
    """A declaration is wrong; the message lists every fault with its file and line."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True)
class _Place:
    """A file, as messages name it."""

    file: Path
    shown: str


def read(path: Path | str) -> Pipeline:
    """Read the declaration in a folder, or of a file.

    Raises
    ------
    DeclarationError
        If anything is wrong with it or the SQL files it names.
    """
    file = Path(path) / FILE_NAME if Path(path).is_dir() else Path(path)
    file = file.absolute()
    place = _Place(file, shown_path(file))
    try:
        document = parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DeclarationError(
            [f"{place.shown}:1: no such file. `dg scaffold defs {COMPONENT} <name>` makes one."]
        ) from error
    except UnicodeDecodeError as error:
        raise DeclarationError(
            [f"{place.shown}:1: not UTF-8 text ({error.reason} at byte {error.start})."]
        ) from error
    faults = list(document.faults) if document.faults else []
    if document.value is None and document.faults:
        raise DeclarationError(_messages(place, document, faults))
    spec, sql, sql_faults = _contents(document, file.parent)
    faults += sql_faults
    if faults or spec is None:
        raise DeclarationError(_messages(place, document, faults))
    return _pipeline(spec, sql, file.parent)


def read_with_policy(pipeline: Pipeline, file: Path) -> Pipeline:
    """Read a declaration under another policy: the blocks `drift` and `retrain` of a file take the place of its own.

    Parameters
    ----------
    pipeline
        As it is declared.
    file
        YAML with one or both of the blocks, written as below `attributes`.

    Raises
    ------
    DeclarationError
        If the file, or what the declaration says with it, is wrong.
    """
    place = _Place(file.absolute(), shown_path(file.absolute()))
    try:
        policy = parse(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError([f"{place.shown}:1: cannot be read: {error}."]) from error
    declared = parse((Path(pipeline.folder) / FILE_NAME).read_text(encoding="utf-8"))
    faults, blocks = list(policy.faults), policy.value
    if not faults and not isinstance(blocks, Mapping):
        faults.append(Fault((), f"a policy is a file with the blocks {' and '.join(POLICY_BLOCKS)}."))
    if not isinstance(blocks, Mapping) or not isinstance(declared.value, Mapping):
        raise DeclarationError(_messages(place, policy, faults))
    faults += [
        Fault((key,), f"'{key}' is no part of a policy. {choices(str(key), POLICY_BLOCKS)}")
        for key in blocks
        if key not in POLICY_BLOCKS
    ]
    attributes = {
        **declared.value["attributes"],
        **{key: blocks[key] for key in POLICY_BLOCKS if key in blocks},
    }
    whole = MarkedYaml(
        {**declared.value, "attributes": attributes},
        {("attributes", *path): line for path, line in policy.lines.items()},
    )
    spec, sql, sql_faults = _contents(whole, Path(pipeline.folder))
    if faults or sql_faults or spec is None:
        raise DeclarationError([*_messages(place, policy, faults), *_messages(place, whole, sql_faults)])
    return _pipeline(spec, sql, Path(pipeline.folder))


def read_edited(pipeline: Pipeline, text: str) -> Pipeline:
    """Read a declaration as it would be with another text of its file; nothing is written.

    Raises
    ------
    DeclarationError
        If anything is wrong with it.
    """
    file = Path(pipeline.folder) / FILE_NAME
    document = parse(text)
    spec, sql, sql_faults = _contents(document, file.parent)
    faults = [*document.faults, *sql_faults]
    if faults or spec is None:
        raise DeclarationError(_messages(_Place(file, shown_path(file)), document, faults))
    return _pipeline(spec, sql, Path(pipeline.folder))


def _contents(document: MarkedYaml, folder: Path) -> tuple[PipelineSpec | None, SqlFiles, list[Fault]]:
    """Return what a document says, and everything wrong with it."""
    outside = [*_name_faults(folder.name), *_envelope_faults(document.value)]
    if not isinstance(document.value, Mapping):
        return None, SqlFiles({}, ()), outside
    attributes = document.value.get("attributes") or {}
    result = validate(attributes)
    schema: list[Fault] = [] if isinstance(result, PipelineSpec) else result
    spec = result if isinstance(result, PipelineSpec) else recover(attributes, schema)
    if spec is None:
        return None, SqlFiles({}, ()), [*outside, *_below_attributes(schema)]
    unreliable_paths = unreliable_keys(schema, attributes)
    sql = read_sql_files(spec, folder, unreliable_paths)
    unreliable_paths |= {fault.path for fault in sql.faults}
    forecasts = list(forecast_faults(spec, unreliable_paths))
    unreliable_paths |= {fault.path for fault in forecasts}
    if not is_unreliable(("target",), unreliable_paths):
        spec, texts = with_forecast(spec, sql.texts)
        sql = replace(sql, texts=texts)
    across = [*forecasts, *block_faults(spec, unreliable_paths)]
    unreliable_paths |= {fault.path for fault in across}
    pipeline = Pipeline(folder.name, spec, str(folder), sql.texts, "")
    elsewhere = upstream_faults(pipeline, Neighbours(folder, FILE_NAME), unreliable_paths)
    queries = query_faults(pipeline, unreliable_paths)
    own = own_estimator_faults(pipeline, unreliable_paths)
    return (
        spec,
        sql,
        [*outside, *_below_attributes([*schema, *sql.faults, *across, *elsewhere, *queries, *own])],
    )


def _pipeline(spec: PipelineSpec, sql: SqlFiles, folder: Path) -> Pipeline:
    """Return a sound declaration, with what it reads of others."""
    return Pipeline(
        name=folder.name,
        spec=spec,
        folder=str(folder),
        sql=sql.texts,
        spec_hash=_fingerprint(spec, sql.texts),
        upstream=upstream_of(spec, Neighbours(folder, FILE_NAME)),
    )


def _below_attributes(faults: Iterable[Fault]) -> Iterator[Fault]:
    for fault in faults:
        yield Fault(("attributes", *fault.path), fault.text, fault.file, fault.line)


def _name_faults(name: str) -> Iterator[Fault]:
    if not NAME_PATTERN.fullmatch(name):
        text = (
            f"the folder's name '{name}' cannot be a pipeline's. Lower-case letters, digits and underscores, "
            "beginning with a letter, at most 63."
        )
        yield Fault((), text)


def _envelope_faults(value: object) -> Iterator[Fault]:
    if value is None:
        yield Fault((), f"the file is empty. `dg scaffold defs {COMPONENT} <name>` shows what it holds.")
        return
    if not isinstance(value, Mapping):
        yield Fault((), "the file must be a block with the keys 'type' and 'attributes'.")
        return
    for key in value:
        if key not in _ENVELOPE:
            yield Fault((key,), f"unknown key '{key}' beside 'attributes'. {choices(key, _ENVELOPE)}")
    kind = value.get("type")
    if kind not in COMPONENTS:
        problem = "missing key 'type'" if kind is None else f"type is '{kind}'"
        yield Fault(("type",), f"{problem}. A pipeline is of type {COMPONENT}.")


def _messages(place: _Place, document: MarkedYaml, faults: Iterable[Fault]) -> list[str]:
    """Write every fault with its file and line, in the order of the file; other files last."""
    own: list[tuple[int, str]] = []
    others: list[tuple[str, int, str]] = []
    for fault in faults:
        if fault.file is not None:
            others.append((shown_path(place.file.parent / fault.file), fault.line or 1, fault.text))
        else:
            own.append((fault.line or document.line(fault.path), fault.text))
    lines = [f"{place.shown}:{line}: {tidy(text)}" for line, text in sorted(own, key=lambda item: item[0])]
    lines += [f"{file}:{line}: {tidy(text)}" for file, line, text in sorted(others)]
    return list(dict.fromkeys(lines))


def shown_path(file: Path) -> str:
    """Name a file from the project's root, where there is one."""
    for folder in file.parents:
        if (folder / "pyproject.toml").is_file():
            return file.relative_to(folder).as_posix()
    return file.as_posix()


def _fingerprint(spec: PipelineSpec, sql: Mapping[str, str]) -> str:
    canonical = json.dumps({"spec": spec.model_dump(mode="json"), "sql": dict(sql)}, sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
