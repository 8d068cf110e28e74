"""Deployment of this installation: one environment variable chooses the profile, which says where things are kept."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from declaration.errors import DriftlineError
from declaration.extras import require_extra
from resources.engine.memory import limit_bytes
from resources.feature_store.online.settings import online_settings
from resources.project import PROJECT_VARIABLE, nearest_project, project

ProfileName = Literal["local", "server"]

SETTINGS = Path(__file__).resolve().parent / "settings"
"""Dagster's settings of each profile, as they are shipped."""

OWN_SETTINGS = "deploy"
"""Folder of a project whose `<profile>.yaml` replaces blocks of these settings."""

UNUSABLE = re.compile(r"[?%*^|\\\[\]\x00-\x1f\x7f]")
"""Signs that a home's path cannot hold: file patterns, signs of a URL, and what delta-rs takes for a host's name."""

POSTGRES_VARIABLE = "DRIFTLINE_POSTGRES_URL"


class DeploymentError(DriftlineError):
    """The environment does not describe a deployment."""


@dataclass(frozen=True)
class Deployment:
    """One installation: its profile, its folder and its databases.

    Attributes
    ----------
    profile
        `local` keeps everything in SQLite and folders; `server` keeps Dagster's runs, events and schedules,
        Feast's registry and MLflow's store in Postgres.
    home
        Folder of the lake, the reports and whatever is embedded (`DRIFTLINE_HOME`).
    project_root
        Folder of the project, whose `deploy/` may change Dagster's settings; None outside of any.
    postgres_url
        Database of the profile `server` (`DRIFTLINE_POSTGRES_URL`).
    online_url_variable
        Variable that holds the URL of the online store: `DRIFTLINE_ONLINE_URL` where it is set, and in the
        profile `server` the Postgres; none means a SQLite file below `home`.
    web_url
        Where the web UI is reached, for links in alerts (`DRIFTLINE_WEB_URL`); None makes none.
    memory_limit, threads
        Bounds of the engine (`DRIFTLINE_MEMORY_LIMIT`, `DRIFTLINE_THREADS`).
    """

    profile: ProfileName
    home: Path
    project_root: Path | None
    postgres_url: str | None
    online_url_variable: str
    web_url: str | None
    memory_limit: str
    threads: int

    @property
    def lake_root(self) -> Path:
        """Folder of the lake."""
        return self.home / "lake"

    @property
    def reports_folder(self) -> Path:
        """Folder of the pages of drift reports."""
        return self.home / "reports"

    @property
    def dagster_home(self) -> Path:
        """Folder that Dagster reads its settings from."""
        return self.home / "dagster"

    @property
    def feature_registry_url(self) -> str:
        """SQLAlchemy URL of Feast's registry, where it is embedded; empty where a variable holds it."""
        return "" if self.postgres_url else _sqlite_url(self.home / "feast" / "registry.db")

    @property
    def feature_registry_variable(self) -> str:
        """Variable that holds the URL of Feast's registry: in the profile `server` the Postgres; or none."""
        return POSTGRES_VARIABLE if self.postgres_url else ""

    @property
    def tracking_url(self) -> str:
        """URL of MLflow's tracking store and model registry: SQLAlchemy's, or `env:` and the variable with it.

        A home whose models are in SQLite already keeps them there.
        """
        file = self.home / "mlflow" / "mlflow.db"
        return f"env:{POSTGRES_VARIABLE}" if self.postgres_url and not file.exists() else _sqlite_url(file)


def deployment(environment: Mapping[str, str]) -> Deployment:
    """Read the deployment from environment variables.

    Raises
    ------
    DeploymentError
        If the profile is unknown or its settings are missing.

    Examples
    --------
    >>> deployment({"DRIFTLINE_HOME": "/srv/driftline"}).lake_root.as_posix()
    '/srv/driftline/lake'
    """
    profile = environment.get("DRIFTLINE_PROFILE", "local")
    if profile not in get_args(ProfileName):
        raise DeploymentError(
            f"DRIFTLINE_PROFILE is '{profile}'. Known profiles: {', '.join(get_args(ProfileName))}."
        )
    postgres_url = environment.get(POSTGRES_VARIABLE) if profile == "server" else None
    if profile == "server" and not (postgres_url or "").startswith("postgresql+psycopg2://"):
        raise DeploymentError(
            "DRIFTLINE_PROFILE=server needs DRIFTLINE_POSTGRES_URL of the form "
            "postgresql+psycopg2://user:password@host:5432/database."
        )
    if profile == "server":
        require_extra("postgres", "DRIFTLINE_PROFILE=server")
    threads = environment.get("DRIFTLINE_THREADS", str(min(os.cpu_count() or 1, 4)))
    if not threads.isdecimal() or int(threads) == 0:
        raise DeploymentError(f"DRIFTLINE_THREADS is '{threads}'; it is a whole number of at least 1.")
    return Deployment(
        profile=profile,  # type: ignore[arg-type]  # narrowed by the check above
        home=_home(environment),
        project_root=_project_root(environment),
        postgres_url=postgres_url,
        online_url_variable=_online_url_variable(environment, has_postgres=profile == "server"),
        web_url=environment.get("DRIFTLINE_WEB_URL") or None,
        memory_limit=_memory_limit(environment),
        threads=int(threads),
    )


def _home(environment: Mapping[str, str]) -> Path:
    named = environment.get("DRIFTLINE_HOME")
    home = Path(named).expanduser() if named else project(environment).root / ".driftline"
    home = home.resolve()
    if sign := UNUSABLE.search(str(home)):
        raise DeploymentError(
            f"DRIFTLINE_HOME is {str(home)!r}, whose name holds {sign.group()!r}: tables and databases below it would land "
            "elsewhere or not open. Choose a folder without ? % * ^ | \\ [ ] and without line breaks."
        )
    if home.exists() and not home.is_dir():
        raise DeploymentError(f"DRIFTLINE_HOME is {str(home)!r}, which is no folder. Name one, or a new one.")
    return home


def _project_root(environment: Mapping[str, str]) -> Path | None:
    nearest = nearest_project(environment)
    return nearest.root if nearest is not None else None


def _memory_limit(environment: Mapping[str, str]) -> str:
    limit = environment.get("DRIFTLINE_MEMORY_LIMIT") or "2GB"
    try:
        limit_bytes(limit)
    except ValueError:
        raise DeploymentError(
            f"DRIFTLINE_MEMORY_LIMIT is {limit[:60]!r}; it is a number with its unit, such as 512MB or 2GB."
        ) from None
    return limit


def _sqlite_url(file: Path) -> str:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(file)).render_as_string()


def _online_url_variable(environment: Mapping[str, str], *, has_postgres: bool) -> str:
    """Choose the variable; its value is judged here, so that a typing error does not wait for the first load."""
    name = "DRIFTLINE_ONLINE_URL"
    if environment.get(name):
        online_settings(environment[name])
        return name
    return POSTGRES_VARIABLE if has_postgres else ""


def dagster_environment(installed: Deployment) -> Mapping[str, str]:
    """Prepare Dagster's home for a profile; return the variables that point Dagster at it.

    The settings file is written anew each time, so that the project's `deploy/` stays the only place to edit.

    Raises
    ------
    DeploymentError
        If the project's settings cannot be read.
    """
    installed.dagster_home.mkdir(parents=True, exist_ok=True)
    settings = dagster_settings(installed)
    target = installed.dagster_home / "dagster.yaml"
    if not target.exists() or target.read_text(encoding="utf-8") != settings:
        # Written aside and moved: another process may be reading it.
        draft = target.with_name(f".dagster.yaml.{os.getpid()}")
        draft.write_text(settings, encoding="utf-8")
        draft.replace(target)
    variables = {
        "DRIFTLINE_PROFILE": installed.profile,
        "DRIFTLINE_HOME": str(installed.home),
        "DAGSTER_HOME": str(installed.dagster_home),
        # Spinning OpenMP threads cost many times their use on a busy machine.
        "OMP_WAIT_POLICY": "PASSIVE",
    }
    if installed.project_root is not None:
        variables[PROJECT_VARIABLE] = str(installed.project_root)
    if installed.postgres_url:
        variables[POSTGRES_VARIABLE] = installed.postgres_url
    return variables


def dagster_settings(installed: Deployment) -> str:
    """Return Dagster's settings as YAML: those of the profile, with the blocks that the project replaces.

    A block of the project's `deploy/<profile>.yaml` takes the place of ours of that name, whole; an empty
    one (null) removes it. Blocks that the project leaves out stay as this release has them.

    Raises
    ------
    DeploymentError
        If the project's file cannot be read, or is no mapping of blocks.
    """
    shipped = (SETTINGS / f"{installed.profile}.yaml").read_text(encoding="utf-8")
    own = _own_settings(installed)
    if not own:
        return shipped
    blocks = {name: block for name, block in (yaml.safe_load(shipped) | own).items() if block is not None}
    return yaml.safe_dump(blocks, sort_keys=False)


def _own_settings(installed: Deployment) -> Mapping[str, Any]:
    if installed.project_root is None:
        return {}
    file = installed.project_root / OWN_SETTINGS / f"{installed.profile}.yaml"
    if not file.is_file():
        return {}
    try:
        own = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DeploymentError(f"{file}: {error}. Correct the file.") from error
    if own is not None and not (isinstance(own, dict) and all(isinstance(name, str) for name in own)):
        raise DeploymentError(
            f"{file} holds no blocks of Dagster's settings, such as `concurrency:`. Correct or remove it."
        )
    return own or {}
