"""The files of `--source`, and their format, separator and encoding."""

from __future__ import annotations

import gzip
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from declaration.errors import DriftlineError
from declaration.names import is_url
from declaration.sources.blocks import FileSourceBlock
from declaration.sources.spec import SourceSpec
from declaration.sources.xml import XmlSourceSpec
from declaration.text import one_line
from pipelines.scaffolding.text_shape import shape_of
from sources.engine_errors import explained
from sources.files import source_files
from sources.slots import SLOT, partition_in
from sources.types import SOURCE_TYPES
from sources.xml_rows import likely_rows

FORMATS = {ending: name for name, kind in SOURCE_TYPES.items() for ending in kind.endings}
"""Source type of a file by its ending, after .gz and .zip are taken off."""

SNIFFED_BYTES = 256 * 1024
"""Bytes of a text file from which its separator and encoding are inferred."""


class ScaffoldError(DriftlineError):
    """A declaration cannot be made as asked."""


@contextmanager
def one_sentence(name: str) -> Iterator[None]:
    """Turn what the engine, the unpackers and the file system say of a file into one sentence.

    Raises
    ------
    DriftlineError
        With the file, what is wrong with it, and how to repair it.
    """
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise explained(error, "--source", [Path(name)]) from error
    except (
        OSError,
        EOFError,
        zlib.error,
        zipfile.BadZipFile,
        RuntimeError,
        NotImplementedError,
        ValueError,
    ) as error:
        # RuntimeError: a zip's password. ValueError: a path or a text that cannot be decoded.
        raise ScaffoldError(
            f"{name} cannot be read ({one_line(str(error))}). The file is damaged, incomplete, encrypted or of another format: get it again."
        ) from error


def source_of(path: str, *, start: Path, folder: Path) -> SourceSpec:
    """Find out how a source is read; paths are relative to `start`, or to the declaration's folder.

    Parameters
    ----------
    path
        A file, a folder of files of one format or of a table, a pattern, a path with `{partition}`, or a URL.
    start
        Folder that the user stands in.
    folder
        Folder of the declaration.

    Returns
    -------
    SourceSpec
        The source, with an absolute path.

    Raises
    ------
    DriftlineError
        If it is not there, is empty, or its ending names no format that is read.
    """
    for kind in SOURCE_TYPES.values():
        known = kind.of_url(path, start) if kind.of_url is not None else None
        if known is not None:
            block: SourceSpec = known[0]
            # For this run alone: where it stands from now on is the user's to say.
            os.environ.update(known[1])
            return block
    with one_sentence(f"--source {one_line(path)}"):
        table = _table_at(path, start, folder)
        if table is not None:
            return table
        where = path if is_url(path) else _absolute(path, start, folder)
        mode = "incremental" if SLOT in where else "full"
        files = source_files(FileSourceBlock(type="any", path=where, mode=mode), folder=Path("/"))
    filled = [file for file in files if file.stat().st_size > 0]
    if not filled:
        raise ScaffoldError(f"--source {path}: the file is empty. A header and some rows are needed.")
    with one_sentence(filled[0].name):
        return _sniffed(filled, where, mode)


def _table_at(path: str, start: Path, folder: Path) -> SourceSpec | None:
    """Return the table whose folder a path names; None where it names none on this machine."""
    for place in [] if is_url(path) else [base / Path(path).expanduser() for base in (start, folder)]:
        for name, kind in SOURCE_TYPES.items():
            if kind.folder_sign and next(place.glob(kind.folder_sign), None) is not None:
                table: SourceSpec = kind.keys.model_validate({"type": name, "path": str(place.resolve())})
                return table
    return None


def keys_of(source: SourceSpec, files: Sequence[Path]) -> Sequence[str]:
    """Return what stands for `{partition}` in the paths of a source's files; nothing where there is no such place."""
    if not isinstance(source, FileSourceBlock) or not source.has_partition_files:
        return ()
    keys = (partition_in(str(file), source.path) for file in files)
    return sorted({key for key in keys if key is not None})


def _absolute(path: str, start: Path, folder: Path) -> str:
    tried = [base / Path(path).expanduser() for base in (start, folder)]
    for place in tried:
        if place.is_dir():
            return str(place.resolve() / _pattern_in(place, path))
        if place.is_file():
            return str(place.resolve())
    if any(sign in path for sign in "*?[") or SLOT in path:
        fixed = next((place for place in tried if _fixed(place).is_dir()), tried[0])
        return str(_fixed(fixed).resolve() / fixed.relative_to(_fixed(fixed)))
    raise ScaffoldError(f"--source {one_line(path)}: no such file. Paths are relative to {start}.")


def _fixed(place: Path) -> Path:
    """Return the folder below which a pattern looks."""
    fixed = Path(place.anchor)
    for part in place.parts[1:]:
        if any(sign in part for sign in "*?[{"):
            return fixed
        fixed /= part
    return fixed.parent


def _pattern_in(folder: Path, path: str) -> str:
    """Return the pattern of a folder's files, which must be of one format."""
    files = [
        file.relative_to(folder)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and not any(part.startswith((".", "_")) for part in file.relative_to(folder).parts)
    ]
    endings = sorted({_ending(file) for file in files})
    depths = {len(file.parts) for file in files}
    if not files:
        raise ScaffoldError(f"--source {one_line(path)}: the folder holds no files.")
    if len(endings) > 1 or len(depths) > 1:
        contents = (
            f"files that end in {', '.join(endings)}" if len(endings) > 1 else "files at several depths"
        )
        raise ScaffoldError(
            f"--source {one_line(path)}: the folder holds {contents}. Name the files of one table with a pattern, as in '{folder.name}/*{endings[0]}'."
        )
    return "*/" * (depths.pop() - 1) + f"*{endings[0]}"


def _ending(file: Path) -> str:
    packed = file.suffix if file.suffix.lower() in (".gz", ".zip") else ""
    return Path(file.name.removesuffix(packed)).suffix + packed


def _sniffed(files: Sequence[Path], where: str, mode: str) -> SourceSpec:
    kinds = {file: _format(file) for file in files}
    if len({*kinds.values()}) > 1:
        raise ScaffoldError(
            f"the files of one source have one format, but {files[0].name} is {kinds[files[0]]}, others "
            f"{', '.join(sorted({*kinds.values()} - {kinds[files[0]]}))}. Name those of one format."
        )
    file, kind = files[0], kinds[files[0]]
    block: dict[str, object] = {"type": kind, "path": where}
    if mode != "full":
        block["mode"] = mode
    keys = SOURCE_TYPES[kind].keys
    if "encoding" in keys.model_fields:
        first = _first_bytes(file)
        encoding = _encoding(first)
        if encoding != "utf-8":
            block["encoding"] = encoding
        if "delimiter" in keys.model_fields:
            shape = shape_of(first.decode(encoding, errors="replace"))
            if shape.delimiter != ",":
                block["delimiter"] = shape.delimiter
            if shape.skip_lines:
                block["skip_lines"] = shape.skip_lines
            if shape.comment is not None:
                block["comment"] = shape.comment
            if shape.header is not None:
                block["header"] = shape.header
    if keys is XmlSourceSpec:
        block["rows"] = _rows_of(file)
    source: SourceSpec = keys.model_validate(block)
    return source


def _rows_of(file: Path) -> str:
    rows = likely_rows(file, _first_bytes(file))
    if rows is None:
        raise ScaffoldError(
            f"--source {file.name}: no element of the XML repeats, so that none can be a row. Declare the source by hand, with `rows`."
        )
    return rows


def _format(file: Path) -> str:
    kind = FORMATS.get(Path(_ending(file).removesuffix(".gz").removesuffix(".zip")).name.lower())
    return kind or _format_inside(file)


def _format_inside(file: Path) -> str:
    if file.suffix.lower() == ".zip":
        with zipfile.ZipFile(file) as archive:
            kinds = {FORMATS.get(Path(name).suffix.lower()) for name in archive.namelist()}
        if len(kinds) == 1 and (kind := kinds.pop()):
            return kind
    raise ScaffoldError(
        f"--source {file.name}: the ending says nothing of the format. Rename it to one of "
        f"{', '.join(sorted(FORMATS))} (also with .gz or .zip)."
    )


def _first_bytes(file: Path) -> bytes:
    if file.suffix.lower() == ".gz":
        with gzip.open(file, "rb") as stream:
            return stream.read(SNIFFED_BYTES)
    if file.suffix.lower() == ".zip":
        with zipfile.ZipFile(file) as archive, archive.open(archive.namelist()[0]) as member:
            return member.read(SNIFFED_BYTES)
    with file.open("rb") as stream:
        return stream.read(SNIFFED_BYTES)


def _encoding(first: bytes) -> str:
    """Return UTF-8 where it fits or a mark says it; else what Windows and older tools write."""
    if first.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        # The last character may be cut.
        first[:-4].decode("utf-8") if len(first) == SNIFFED_BYTES else first.decode("utf-8")
    except UnicodeDecodeError:
        # Windows leaves five bytes unused; Latin-1 takes all.
        return "latin-1" if any(byte in first for byte in b"\x81\x8d\x8f\x90\x9d") else "windows-1252"
    return "utf-8"
