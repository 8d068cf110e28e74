"""Settings: the variables that are read, their values without secrets, and the places that follow from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from resources.deployment import Deployment
from resources.project import project

Origin = Literal["option", "environment", "default", "derived"]
Kind = Literal["plain", "url", "secret", "secret url"]

MASK = "***"

ALERT_PREFIX = "DRIFTLINE_ALERT_"
"""Prefix of variables that hold the addresses of alert channels: pipelines may name their own."""


@dataclass(frozen=True)
class Variable:
    """A variable that Driftline reads.

    Attributes
    ----------
    kind
        How its value is shown: a `url` without its password, a `secret url` without its path too.
    default
        Its value where it is not set, in words.
    """

    name: str
    kind: Kind = "plain"
    default: str = "not set"


VARIABLES = (
    Variable("DRIFTLINE_PROJECT", default="the nearest folder with a project"),
    Variable("DRIFTLINE_HOME", default=".driftline in the project"),
    Variable("DRIFTLINE_PROFILE", default="local"),
    Variable("DRIFTLINE_POSTGRES_URL", "url"),
    Variable("DRIFTLINE_ONLINE_URL", "url"),
    Variable("DRIFTLINE_WEB_URL", "url"),
    Variable("DRIFTLINE_MEMORY_LIMIT", default="2GB"),
    Variable("DRIFTLINE_THREADS", default="as many as the machine has, at most 4"),
    Variable("DRIFTLINE_ALERT_WEBHOOK", "secret url"),
    Variable("DRIFTLINE_ALERT_SLACK", "secret url"),
    Variable("DRIFTLINE_SMTP_HOST"),
    Variable("DRIFTLINE_SMTP_PORT", default="by DRIFTLINE_SMTP_TLS"),
    Variable("DRIFTLINE_SMTP_TLS", default="starttls"),
    Variable("DRIFTLINE_SMTP_USER"),
    Variable("DRIFTLINE_SMTP_PASSWORD", "secret"),
    Variable("DRIFTLINE_SFTP_PASSWORD", "secret"),
    Variable("DRIFTLINE_SFTP_KEY", default="the user's own keys"),
    Variable("DRIFTLINE_SFTP_PASSPHRASE", "secret"),
    Variable("DRIFTLINE_SFTP_KNOWN_HOSTS", default="those of SSH"),
    Variable("DRIFTLINE_VERBOSE"),
    Variable("DRIFTLINE_PIPELINE", default="for Feast's own command alone"),
)
"""Every variable that is read, in the order in which they are shown."""

OPTIONS = {
    "DRIFTLINE_PROJECT": "project",
    "DRIFTLINE_HOME": "home",
    "DRIFTLINE_PROFILE": "profile",
    "DRIFTLINE_VERBOSE": "verbose",
}
"""Variables that an option of the program sets, and its name."""


@dataclass(frozen=True)
class Setting:
    """One setting as it holds.

    Attributes
    ----------
    value
        Without secrets; None where it is not set.
    origin
        Where it came from: an option of the command line, the environment, a default, or other settings.
    """

    name: str
    value: str | None
    origin: Origin


def variables(environment: Mapping[str, str], option_names: set[str]) -> Iterator[Setting]:
    """List the variables that are read, and further addresses of alert channels that are set.

    Parameters
    ----------
    environment
        Environment variables.
    option_names
        Those that the command line set.
    """
    names = {variable.name for variable in VARIABLES}
    own = (name for name in sorted(environment) if name.startswith(ALERT_PREFIX) and name not in names)
    for variable in (*VARIABLES, *(Variable(name, "secret url") for name in own)):
        value = environment.get(variable.name)
        if not value:
            yield Setting(variable.name, variable.default, "default")
            continue
        origin: Origin = "option" if variable.name in option_names else "environment"
        yield Setting(variable.name, masked(value, variable.kind), origin)


def derived(installed: Deployment, environment: Mapping[str, str]) -> Iterator[Setting]:
    """List the places that follow from the settings."""
    home_project = project(environment)
    places = {
        "project": home_project.root,
        "declarations": home_project.defs,
        "home": installed.home,
        "lake": installed.lake_root,
        "reports": installed.home / "reports",
        "dagster home": installed.dagster_home,
    }
    for name, path in places.items():
        yield Setting(name, str(path), "derived")
    stores = {
        "feature registry": installed.feature_registry_url or f"env:{installed.feature_registry_variable}",
        "online store": f"env:{installed.online_url_variable}"
        if installed.online_url_variable
        else f"sqlite:///{installed.home / 'feast' / 'online.db'}",
        "model registry": installed.tracking_url,
        "engine": f"{installed.memory_limit}, {installed.threads} threads",
    }
    for name, text in stores.items():
        yield Setting(name, text, "derived")


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """List the variables DRIFTLINE_* that nothing reads: most are misspelt."""
    names = {variable.name for variable in VARIABLES}
    ours = (name for name in environment if name.startswith("DRIFTLINE_"))
    return sorted(name for name in ours if name not in names and not name.startswith(ALERT_PREFIX))


def masked(value: str, kind: Kind) -> str:
    """Return a value as it may be shown.

    Examples
    --------
    >>> masked("postgresql+psycopg2://ann:secret@db:5432/driftline?sslkey=x", "url")
    'postgresql+psycopg2://ann:***@db:5432/driftline?***'
    >>> masked("https://hooks.example.org/services/T0/B0/xyz", "secret url")
    'https://hooks.example.org/***'
    """
    if kind == "plain":
        return value
    if kind == "secret":
        return MASK
    try:
        parts = urlsplit(value)
        # What stands before the last @ is a login; a password may hold further ones.
        login, at, host = parts.netloc.rpartition("@")
    except ValueError:
        return MASK
    if not parts.scheme or not (parts.netloc or parts.path):
        return MASK
    user, colon, _ = login.partition(":")
    shown = f"{parts.scheme}://{user}{colon and ':' + MASK}{at}{host}"
    if kind == "secret url":
        return f"{shown}/{MASK}"
    return f"{shown}{parts.path}{'?' + MASK if parts.query else ''}{'#' + MASK if parts.fragment else ''}"
