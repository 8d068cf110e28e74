"""Faults of APIs in words; no secret is in them, nor in what libraries log meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from declaration.text import one_line
from sources.files import SourceError

MAX_SAID = 200
"""Characters of an answer that a message repeats."""

_LOGGERS = ("urllib3.connectionpool", "dlt")
"""Loggers that write URLs, of which a key may be a parameter."""


class ApiError(SourceError):
    """An API cannot be read."""


class UnsureError(Exception):
    """Pages do not make a whole: it has to be read anew. The message is a clause about the API."""


@dataclass
class Reporter:
    """Says a source's faults.

    Attributes
    ----------
    place
        The source, as messages name it.
    secrets
        Texts that no message and no log holds; the longest first.
    """

    place: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def error(self, what: str) -> ApiError:
        """Return the error; the sentence begins after the source's name."""
        return ApiError(f"source '{self.place}': {what}")

    def hide(self, secret: str) -> None:
        """Keep one more text out of messages and logs."""
        self.secrets = (secret, *self.secrets)

    def said(self, text: str) -> str:
        """Return the beginning of a text from outside, on one line."""
        # Secrets first: cut in the middle, one would not be found.
        return one_line(self.without_secrets(text[: 100 * MAX_SAID]), MAX_SAID)

    def without_secrets(self, text: str) -> str:
        """Return a text with stars in place of secrets."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    @contextmanager
    def clean_logs(self) -> Iterator[None]:
        """Keep secrets out of what libraries log while the source is read."""
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        for logger in loggers:
            logger.addFilter(self._clean)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeFilter(self._clean)

    def _clean(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self.without_secrets(record.getMessage()), ()
        return True
