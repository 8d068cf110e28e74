"""Credentials of an API: out of the environment, into requests, and never into messages."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from urllib.parse import quote, quote_plus

from requests import PreparedRequest, Session

from declaration.environment import FromEnvironment
from declaration.sources.rest import (
    ApiKeyCredentials,
    BasicCredentials,
    BearerCredentials,
    OauthCredentials,
    RestSourceSpec,
)
from sources.apis.answers import AnswerError, parsed, value_at
from sources.apis.faults import ApiError, Reporter

Authorize = Callable[[PreparedRequest], PreparedRequest]

_EARLY_S = 30.0
"""Seconds before its end from which a token is no longer used."""


def secret_of(variable: FromEnvironment, place: str) -> str:
    """Return the value of a variable.

    Raises
    ------
    ApiError
        If it is not set, or cannot be sent.
    """
    value = os.environ.get(variable.env, "").strip()
    if not value:
        raise ApiError(
            f"source '{place}': the variable {variable.env} is not set. It holds a secret of the API."
        )
    if not (value.isascii() and value.isprintable()):
        raise ApiError(
            f"source '{place}': the variable {variable.env} holds signs that cannot be sent. Correct it."
        )
    return value


def headers_of(source: RestSourceSpec) -> Mapping[str, str]:
    """Return the declared headers with their values."""
    return {
        name: value if isinstance(value, str) else secret_of(value, source.place)
        for name, value in source.headers.items()
    }


def secrets_of(source: RestSourceSpec) -> tuple[str, ...]:
    """Return every secret of a source in each form in which it is sent, the longest first."""
    variables = [value for value in source.headers.values() if isinstance(value, FromEnvironment)]
    auth = source.auth
    if auth is not None:
        variables += [value for _, value in auth if isinstance(value, FromEnvironment)]
    values = [secret_of(variable, source.place) for variable in variables]
    forms = {form for value in values for form in (value, quote(value, safe=""), quote_plus(value))}
    if isinstance(auth, BasicCredentials):
        forms.add(_basic(auth, source.place))
    return tuple(sorted(forms, key=len, reverse=True))


def authorize_of(
    source: RestSourceSpec, reporter: Reporter, token_session: Callable[[str], Session]
) -> Authorize:
    """Return what puts the credentials into a request.

    Parameters
    ----------
    source
        What the declaration says.
    reporter
        Says faults.
    token_session
        Makes a session that asks one URL for tokens.
    """
    auth = source.auth
    if isinstance(auth, BearerCredentials):
        return _header("Authorization", f"Bearer {secret_of(auth.token, source.place)}")
    if isinstance(auth, BasicCredentials):
        return _header("Authorization", f"Basic {_basic(auth, source.place)}")
    if isinstance(auth, ApiKeyCredentials) and auth.where == "header":
        return _header(auth.name, secret_of(auth.key, source.place))
    if isinstance(auth, ApiKeyCredentials):
        return _parameter(auth.name, secret_of(auth.key, source.place))
    if isinstance(auth, OauthCredentials):
        return _Tokens(auth, reporter, token_session(auth.token_url))
    # One that does nothing: without any, `requests` looks for passwords in the user's .netrc.
    return lambda request: request


def _basic(auth: BasicCredentials, place: str) -> str:
    return b64encode(f"{secret_of(auth.user, place)}:{secret_of(auth.password, place)}".encode()).decode()


def _header(name: str, value: str) -> Authorize:
    def authorize(request: PreparedRequest) -> PreparedRequest:
        request.headers[name] = value
        return request

    return authorize


def _parameter(name: str, value: str) -> Authorize:
    def authorize(request: PreparedRequest) -> PreparedRequest:
        request.prepare_url(request.url or "", {name: value})
        return request

    return authorize


class _Tokens:
    """Puts a token into requests, and asks for a new one before it ends.

    dlt's own makes the token 'None' of an answer that has none.
    """

    def __init__(self, auth: OauthCredentials, reporter: Reporter, session: Session) -> None:
        self._auth, self._reporter, self._session = auth, reporter, session
        self._token: str | None = None
        self._ends_at = 0.0

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._token is None or time.monotonic() >= self._ends_at:
            self._token = self._asked()
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request

    def _asked(self) -> str:
        place = self._reporter.place
        scope = {"scope": self._auth.scope} if self._auth.scope else {}
        data = {
            "grant_type": "client_credentials",
            "client_id": secret_of(self._auth.client_id, place),
            "client_secret": secret_of(self._auth.client_secret, place),
            **scope,
        }
        asked_at = time.monotonic()
        response = self._session.post(self._auth.token_url, data=data, auth=lambda request: request)
        try:
            answer = parsed(response.content)
        except AnswerError:
            answer = None
        token, seconds = value_at(answer, "access_token"), value_at(answer, "expires_in")
        if not isinstance(token, str) or not token or not (token.isascii() and token.isprintable()):
            raise self._reporter.error("gets no `access_token` from `token_url`. Correct `auth`.")
        self._reporter.hide(token)
        lasts = float(str(seconds)) if str(seconds).isdigit() else float("inf")
        self._ends_at = asked_at + max(0.0, lasts - _EARLY_S)
        return token
