"""Rows of an API: ours beside a bare loop of requests.

    python -m benchmarks.rest_source [--rows 20000] [--runs 5]

Rows of nine columns, one of them an object of two, come in pages of 100 from a server in another process. Ours reads them with a total and a
key, counts each once, and writes sorted lines of flat JSON with every number as it came. One bare loop writes what it has parsed, the other only
parses. CPU is that of the client; imports are left out. Ways take turns, and the least of the runs counts: what else a machine does adds to
CPU, and takes nothing from it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from benchmarks.measure import Measurement, measure, setup_done, table

HERE = "benchmarks.rest_source"

PARSED, LOOP, OURS = "bare loop, rows forgotten", "bare loop, rows written", "driftline, source alone"

MAX_RATIOS = {LOOP: 1.1, PARSED: 1.75}
"""CPU in multiples of each bare loop: 0.85 to 0.97 was measured of the one that writes its rows, as ours does, and 1.13 to 1.67 of the other."""

SIZE = 100
"""Rows a page."""


def row_of(number: int) -> dict[str, Any]:
    """Return one row."""
    return {
        "id": number, "customer": number * 7919 % 100_000, "amount": number * 0.37, "price": f"{number * 1.01:.2f}",
        "is_paid": number % 3 == 0, "name": f"customer {number % 1000}", "n_items": number % 20,
        "placed_at": f"2024-01-01T{number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        "address": {"city": f"city {number % 50}", "zip": f"{number % 99_999:05}"},
    }  # fmt: skip


def serve(n_rows: int) -> None:
    """Serve rows by page until the process ends; the address is its first line."""
    pages = [
        json.dumps(
            {"rows": [row_of(i) for i in range(start, min(start + SIZE, n_rows))], "total": n_rows}
        ).encode()
        for start in range(0, n_rows, SIZE)
    ]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            body = pages[int(parse_qs(urlsplit(self.path).query)["page"][0]) - 1]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            del code, size

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    sys.stdout.write(f"http://127.0.0.1:{server.server_address[1]}/orders\n")
    sys.stdout.flush()
    server.serve_forever()


def bare_loop(url: str, file: str | None = None) -> int:
    """Receive and parse all pages; write their rows as lines of JSON, where a file is given."""
    from requests import Session

    setup_done()
    n_rows, number, total = 0, 1, 1
    with Session() as session, Path(file or os.devnull).open("w", encoding="utf-8") as stream:
        while n_rows < total:
            answer = session.get(url, params={"page": str(number)}, timeout=60).json()
            if file is not None:
                stream.writelines(json.dumps(row) + "\n" for row in answer["rows"])
            n_rows, number, total = n_rows + len(answer["rows"]), number + 1, answer["total"]
    return n_rows


def driftline_asked(url: str, folder: str) -> int:
    """Open the source: what the API gives, as lines of JSON in the scratch folder."""
    from declaration.datasets import DatasetSpec
    from sources.opening import opened

    import_module("sources.apis.reading")
    source = {"type": "rest", "url": url, "rows": "rows", "paging": {"by": "page", "total": "total"}}
    dataset = DatasetSpec.model_validate({"source": source, "columns": {"id": "int"}, "key": ["id"]})
    setup_done()
    with opened(dataset.source, folder=Path(folder), scratch=Path(folder), dataset=dataset) as now:
        return sum(file.read_bytes().count(b"\n") for file in now.files)


def missed(rows: Sequence[Measurement], n_rows: int) -> list[str]:
    """Return what is not as it should be."""
    loops, ours = {row.name: row for row in rows[:-1]}, rows[-1]
    faults = [f"{row.name}: {row.result} of {n_rows} rows" for row in rows if row.result != n_rows]
    for name, most in MAX_RATIOS.items():
        ratio = ours.cpu_s / loops[name].cpu_s
        if ratio > most:
            faults.append(f"{OURS} takes {ratio:.2f} times the CPU of the {name}: at most {most}")
    return faults


def least(url: str, folder: str, n_runs: int) -> list[Measurement]:
    """Return each way's run with the least CPU."""
    ways: Mapping[str, tuple[object, ...]] = {
        PARSED: (f"{HERE}:bare_loop", url),
        LOOP: (f"{HERE}:bare_loop", url, str(Path(folder) / "loop.jsonl")),
        OURS: (f"{HERE}:driftline_asked", url, folder),
    }
    runs = [
        [measure(name, str(function), *arguments) for name, (function, *arguments) in ways.items()]
        for _ in range(n_runs)
    ]
    return [min(same, key=lambda run: run.cpu_s) for same in zip(*runs, strict=True)]


def main() -> int:
    """Measure both ways, and return 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.rows)
    command = [sys.executable, "-m", HERE, "--serve", "--rows", str(options.rows)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        assert server.stdout is not None
        try:
            url = server.stdout.readline().strip()
            rows = least(url, folder, options.runs)
        finally:
            server.terminate()
    sys.stdout.write(f"{options.rows:,} rows in pages of {SIZE}\n{table(rows, against=LOOP)}\n")
    faults = missed(rows, options.rows)
    for fault in faults:
        sys.stderr.write(f"{fault}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
