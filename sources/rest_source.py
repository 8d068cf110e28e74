"""Rows of an HTTP API: asked for a window, and written as lines of JSON beside; the content of those rows is the fingerprint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from declaration.extras import require_extra
from declaration.sources.rest import RestSourceSpec
from sources.forms import JSON_LINES
from sources.scratch import scratch_folder
from sources.source_type import WHOLE, Asked, Opened, SourceType


@contextmanager
def _open(source: RestSourceSpec, asked: Asked, /) -> Iterator[Opened]:
    """Ask the API, and give its rows; nothing goes on before all of them are there."""
    require_extra("rest", "a source of `type: rest`")
    # dlt takes two seconds to import.
    from sources.apis.reading import read_rows
    from sources.apis.transport import Waiting

    waiting = Waiting()
    rows = read_rows(source, asked, waiting)
    with scratch_folder(asked.scratch, "asked-") as name:
        file = name / _file_name(source)
        with file.open("wb") as stream:
            stream.writelines(line + b"\n" for line in rows.lines)
        facts = {
            "n_requests": waiting.n_requests,
            "n_retries": waiting.n_retries,
            "waited_s": round(waiting.waited_s, 3),
            "n_repeated": rows.n_repeated,
        }
        yield Opened((file,), facts=facts)


def _marks(source: RestSourceSpec, asked: Asked, /) -> Mapping[str, str]:
    """Return the mark of the first page; a source that must be asked for a window has none that changes."""
    del asked
    if source.slots:
        return {WHOLE: source.place}
    require_extra("rest", "a source of `type: rest`")
    from sources.apis.reading import first_mark

    return {WHOLE: first_mark(source)}


def _file_name(source: RestSourceSpec) -> str:
    """Return the name under which rejects show the rows: the end of the URL's path.

    Examples
    --------
    >>> _file_name(RestSourceSpec(type="rest", url="https://api.example.com/v1/orders"))
    'orders.jsonl'
    """
    end = unquote(urlsplit(source.url).path).rstrip("/").rpartition("/")[2]
    return (re.sub(r"[^\w.-]+", "_", end)[:100].strip(".") or "rows") + ".jsonl"


REST_SOURCE = SourceType(RestSourceSpec, _open, JSON_LINES, _marks)
