"""Source block of an address that a person types: parameters out of the query, secrets into variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from declaration.sources.rest import RestSourceSpec
from sources.apis.words import is_paging, plain
from sources.files import SourceError

_SECRET = re.compile(
    r"(^|_)(api_?key|key|token|secret|password|passwd|pwd|auth|authorization|signature|sig|app_?id)$"
)
"""Names of parameters that say who asks."""


@dataclass(frozen=True)
class Typed:
    """An address, taken apart.

    Attributes
    ----------
    source
        The block, with address, parameters and credentials.
    variables
        Secrets that stood in the address, by the names under which the block asks for them.
    """

    source: RestSourceSpec
    variables: Mapping[str, str]


def typed_address(url: str, variable: str, environment: Mapping[str, str]) -> Typed:
    """Return the block of an address.

    Parameters
    ----------
    url
        Address with parameters, and with what may be secret in it.
    variable
        Beginning of the names of variables that hold credentials.
    environment
        Variables that are set: credentials that are there are used.

    Raises
    ------
    SourceError
        If it is no address that a declaration can hold.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    named = parse_qsl(parts.query, keep_blank_values=True)
    params = dict(named)
    twice = next((name for name in params if [one for one, _ in named].count(name) > 1), None)
    if twice is not None:
        raise SourceError(f"--source {shown}: the parameter '{twice}' is there twice. Leave one of them out.")
    secrets = [name for name in params if _SECRET.search(plain(name)) and not is_paging(name)]
    if len(secrets) > 1 or (secrets and "@" in parts.netloc):
        listed = ", ".join(secrets)
        raise SourceError(
            f"--source {shown}: more than one part of the address says who asks ({listed}). Leave one, and write the others into the declaration."
        )
    block: dict[str, object] = {"type": "rest", "url": shown}
    auth, variables = _auth(parts.netloc, {name: params.pop(name) for name in secrets}, variable, environment)
    if auth is not None:
        block["auth"] = auth
    if params:
        block["params"] = params
    source = RestSourceSpec.model_validate(block)
    fault = next(iter(source.contradictions()), None)
    if fault is not None or source.slots:
        raise SourceError(
            f"--source {shown}: {f'{fault[0]} {fault[1]}' if fault else 'it has parameters in braces. Leave them out, and write them into the declaration.'}"
        )
    return Typed(source, variables)


def _auth(
    netloc: str, secrets: Mapping[str, str], variable: str, environment: Mapping[str, str]
) -> tuple[Mapping[str, object] | None, Mapping[str, str]]:
    """Return the `auth` block, and the variables for what stood in the address."""
    user, password, token, key = (f"{variable}_{name}" for name in ("USER", "PASSWORD", "TOKEN", "KEY"))
    basic = {"type": "basic", "user": {"env": user}, "password": {"env": password}}
    if "@" in netloc:
        name, _, word = netloc.rpartition("@")[0].partition(":")
        return basic, {user: unquote(name), password: unquote(word)}
    for name, value in secrets.items():
        return {"type": "api_key", "name": name, "where": "query", "key": {"env": key}}, {key: value}
    if environment.get(token):
        return {"type": "bearer", "token": {"env": token}}, {}
    if environment.get(user) and environment.get(password):
        return basic, {}
    return None, {}
