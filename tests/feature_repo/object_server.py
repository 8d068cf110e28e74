"""A small S3 server: what delta-rs and Arrow ask of one, on objects in memory; signatures are not checked."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

OBJECTS = dict[str, bytes]

PART = "?part={:05d}"
"""What is added to the name of an object that is still coming."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    objects: OBJECTS

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        if "list-type" in query:
            self._list(unquote(parts.path).strip("/"), query)
            return
        body = self.objects.get(unquote(parts.path))
        if body is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        asked = self.headers.get("Range")
        if not asked:
            self._answer(200, body)
            return
        first, _, last = asked.removeprefix("bytes=").partition("-")
        begin = int(first) if first else len(body) - int(last)
        end = min(int(last), len(body) - 1) if first and last else len(body) - 1
        self._answer(206, body[begin : end + 1], {"Content-Range": f"bytes {begin}-{end}/{len(body)}"}, body)

    do_HEAD = do_GET  # noqa: N815 (http.server's name)

    def do_PUT(self) -> None:
        parts = urlsplit(self.path)
        name, body = unquote(parts.path), self._body()
        part = parse_qs(parts.query).get("partNumber")
        if part:
            name += PART.format(int(part[0]))
        if self.headers.get("If-None-Match") == "*" and name in self.objects:
            self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
            return
        self.objects[name] = body
        self._answer(200, b"", whole=body)

    def do_POST(self) -> None:
        """Begin and end an upload in parts."""
        parts = urlsplit(self.path)
        self._body()
        if "uploads" in parse_qs(parts.query, keep_blank_values=True):
            tag = "InitiateMultipartUploadResult"
            self._answer(200, f"<{tag}><UploadId>1</UploadId></{tag}>".encode())
            return
        name = unquote(parts.path)
        pieces = sorted(key for key in self.objects if key.startswith(name + PART[:6]))
        self.objects[name] = b"".join(self.objects.pop(key) for key in pieces)
        tag = "CompleteMultipartUploadResult"
        self._answer(200, f"<{tag}><ETag>&quot;0&quot;</ETag></{tag}>".encode())

    def do_DELETE(self) -> None:
        self.objects.pop(unquote(urlsplit(self.path).path), None)
        self._answer(204, b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if "aws-chunked" not in self.headers.get("Content-Encoding", ""):
            return body
        content = b""
        while body:
            size, _, rest = body.partition(b"\r\n")
            length = int(size.partition(b";")[0], 16)
            if not length:
                break
            content, body = content + rest[:length], rest[length + 2 :]
        return content

    def _list(self, bucket: str, query: dict[str, list[str]]) -> None:
        prefix = query.get("prefix", [""])[0]
        delimiter = query.get("delimiter", [""])[0]
        keys, folders = [], set()
        for name in sorted(self.objects):
            key = name.removeprefix(f"/{bucket}/")
            if key == name or not key.startswith(prefix):
                continue
            folder, found, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            if found:
                folders.add(prefix + folder + delimiter)
            else:
                keys.append(key)
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self.objects[f'/{bucket}/{key}'])}</Size>"
            f"<LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>&quot;0&quot;</ETag></Contents>"
            for key in keys
        )
        grouped = "".join(
            f"<CommonPrefixes><Prefix>{escape(f)}</Prefix></CommonPrefixes>" for f in sorted(folders)
        )
        counted = f"<KeyCount>{len(keys) + len(folders)}</KeyCount><IsTruncated>false</IsTruncated>"
        self._answer(
            200,
            f"<ListBucketResult><Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix>{counted}{listed}{grouped}"
            "</ListBucketResult>".encode(),
        )

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, whole: bytes | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Last-Modified", formatdate(1_700_000_000, usegmt=True))
        self.send_header("ETag", f'"{hashlib.sha256(body if whole is None else whole).hexdigest()[:32]}"')
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (http.server's name)
        """Stay silent."""


@contextmanager
def object_server() -> Iterator[tuple[str, OBJECTS]]:
    """Serve objects; give the server's URL and what it holds, by `/bucket/key`."""
    objects: OBJECTS = {}
    handler = type("Handler", (_Handler,), {"objects": objects})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", objects
        finally:
            server.shutdown()
            thread.join()
