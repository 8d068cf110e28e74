"""dlt's client of an API, with transport, credentials and answers of our own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from dlt.common.configuration.specs.runtime_configuration import RuntimeConfiguration
from dlt.sources.helpers.rest_client.client import RESTClient
from requests import RequestException, Response, Session
from requests.utils import get_environ_proxies

from declaration.sources.rest import RestSourceSpec
from sources.apis.answers import AnswerError, Page, page_of, parsed, rows_path
from sources.apis.credentials import authorize_of, headers_of, secrets_of
from sources.apis.faults import ApiError, Reporter, UnsureError
from sources.apis.paging import as_page, paginator_of
from sources.apis.transport import Transport, Waiting

Answered = tuple[Page, Response]

_CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Variables that name a file of certificates to trust."""


class ApiClient:
    """Reads the pages of one source.

    Attributes
    ----------
    reporter
        Says its faults.
    waiting
        What the reading has cost so far.
    """

    def __init__(self, source: RestSourceSpec, waiting: Waiting) -> None:
        self._source = source
        self.waiting = waiting
        self.reporter = Reporter(source.place, secrets_of(source))
        self._client = _Client(
            base_url=source.url,
            headers=dict(headers_of(source)),
            auth=authorize_of(source, self.reporter, self._session),  # type: ignore[arg-type]
            session=self._session(source.url, source.requests_per_second),
            # Its own would be looked up in files and variables of dlt.
            config=RuntimeConfiguration(),
        )
        self._client.path = source.rows

    def pages(self, params: Mapping[str, str]) -> Iterator[Answered]:
        """Read the pages from the first on.

        Raises
        ------
        UnsureError
            If they do not make a whole, and it has to be read anew.
        ApiError
            If they cannot be asked for.
        AnswerError
            If an answer is not as the declaration says.
        """
        fault = ""
        try:
            with self.reporter.clean_logs():
                for data in self._client.paginate(
                    self._source.url,
                    params=dict(params),
                    paginator=paginator_of(self._source.paging),
                    data_selector="$",
                ):
                    yield as_page(self._client.page), data.response
        except RequestException as error:
            fault = f"cannot be asked ({self.reporter.said(str(error))}). Correct the declaration"
        if fault:
            raise self.reporter.error(f"{fault}.")

    def first_answer(self, params: Mapping[str, str]) -> tuple[object, Response]:
        """Read the first answer as it is, whatever is in it.

        Raises
        ------
        ApiError
            If it cannot be asked for.
        AnswerError
            If it is no JSON.
        """
        fault = ""
        try:
            with self.reporter.clean_logs():
                response = self._client.get(self._source.url, params=dict(params))
                return parsed(response.content), response
        except RequestException as error:
            fault = f"cannot be asked ({self.reporter.said(str(error))}). Correct the address"
        raise self.reporter.error(f"{fault}.")

    def answer_error(self, error: AnswerError) -> ApiError:
        """Return the error about an answer."""
        return self.reporter.error(f"gives an answer that {self.reporter.said(str(error))}.")

    def unsure_error(self, why: UnsureError | str, *, tried: int = 1) -> ApiError:
        """Return the error about pages that make no whole."""
        times = f" All of them were read {tried} times." if tried > 1 else ""
        return self.reporter.error(
            f"pages do not make a whole: {self.reporter.said(str(why))}.{times} Run it again when the rows rest, ask for a "
            "narrower window, or correct `paging`: by cursor rows do not shift."
        )

    def _session(self, url: str, per_second: float | None = None) -> Session:
        source, session = self._source, Session()
        transport = Transport(
            url,
            self.reporter,
            self.waiting,
            timeout_s=source.timeout.total_seconds(),
            max_attempts=source.max_attempts,
            per_second=per_second,
        )
        session.mount("https://", transport)
        session.mount("http://", transport)
        # The environment is read once: each request would go through all of it.
        session.proxies = dict(get_environ_proxies(url))
        session.verify = next(filter(None, map(os.environ.get, _CERTIFICATES)), True)
        session.trust_env = False
        return session


class _Client(RESTClient):
    """dlt's client, which would make an empty list of `null`, a row of an object, and floats of all fractions."""

    path: str | None = None
    page: Page | None = None

    def extract_response(self, response: Response, data_selector: Any) -> list[Any]:
        """Return the rows of an answer."""
        del data_selector
        body = response.content
        try:
            answer = parsed(body)
        except AnswerError as error:
            # It may have been cut off behind a bracket that closes another one.
            if body.strip()[-1:] in (b"]", b"}"):
                raise UnsureError(f"it gives an answer that {error}") from error
            raise AnswerError(f"is no JSON: {body[:40].decode('utf-8', 'replace')!r}") from error
        if self.path is None:
            self.path = rows_path(answer)
        self.page = page_of(answer, self.path)
        return self.page
