"""The SQL and Python files of a declaration, read from its folder and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from declaration.sources.python import PYTHON
from declaration.spec import PipelineSpec
from pipelines.loading.problems import Fault, KeyPath, label
from pipelines.loading.recovery import is_unreliable
from pipelines.loading.yaml_lines import NUL

MAX_SIZE_BYTES = 1_000_000
"""Code is not a data file."""


@dataclass(frozen=True)
class SqlFiles:
    """Texts by the name that the declaration uses, and the files that could not be read."""

    texts: Mapping[str, str]
    faults: tuple[Fault, ...]


def read_sql_files(spec: PipelineSpec, folder: Path, unreliable_paths: Collection[KeyPath]) -> SqlFiles:
    """Read every SQL file that a declaration names, and the code of its sources."""
    named: list[tuple[KeyPath, str]] = [
        (("features", view, "sql"), v.sql) for view, v in spec.features.items()
    ]
    named += [(("queries", query), path) for query, path in spec.queries.items()]
    for name, dataset in spec.datasets.items():
        if dataset.source.code_file is not None:
            key = dataset.source.code_key
            named.append((("datasets", name, "source", key), dataset.source.code_file))
    named += [
        (("model", "candidates", position), file)
        for position, candidate in enumerate(spec.model.competitors)
        if candidate.is_own and (file := candidate.use.rpartition(":")[0]).endswith(PYTHON)
    ]
    texts: dict[str, str] = {}
    faults: list[Fault] = []
    for path, name in named:
        if is_unreliable(path, unreliable_paths):
            continue
        result = _read(folder, name)
        if isinstance(result, _Unreadable):
            faults.append(Fault(path, f"{label(path)} is '{name}': {result.why}"))
        else:
            texts[name] = result
    return SqlFiles(texts, tuple(faults))


@dataclass(frozen=True)
class _Unreadable:
    why: str


def _is_file(path: Path) -> bool:
    """Tell whether there is a file; a name that is longer than the system takes names none."""
    try:
        return path.is_file()
    except OSError:
        return False


def _read(folder: Path, name: str) -> str | _Unreadable:
    file = folder / name
    if Path(name).is_absolute() or not file.resolve().is_relative_to(folder.resolve()):
        return _Unreadable("it leads out of the declaration's folder. Put the file beside the declaration.")
    if not _is_file(file):
        kind, language = (PYTHON, "Python") if name.endswith(PYTHON) else (".sql", "SQL")
        paths = sorted(path.relative_to(folder).as_posix() for path in folder.rglob(f"*{kind}"))
        return _Unreadable(
            f"no such file. {language} files beside the declaration: {', '.join(paths) or 'none'}."
        )
    if file.stat().st_size > MAX_SIZE_BYTES:
        return _Unreadable(f"it is larger than {MAX_SIZE_BYTES:,} bytes, which no code is.")
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return _Unreadable(f"it cannot be read as UTF-8 text ({type(error).__name__}).")
    if NUL in text:
        return _Unreadable("it holds a NUL character (\\0). Remove it.")
    return text if text.strip() else _Unreadable("the file is empty.")
