"""MLflow's database, new and shared."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.online_servers import PostgresServer
from resources.model_registry.mlflow_store import MlflowStoreError
from resources.model_registry.registry import ModelRegistry


def test_a_store_of_another_kind_is_refused() -> None:
    elsewhere = ModelRegistry(tracking_uri="file:///mlruns", artifact_root="models")
    with pytest.raises(MlflowStoreError, match="not a store we can use"):
        elsewhere.prepare()


def test_a_damaged_database_is_named_with_its_repair(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"garbage" * 1_000)
    damaged = ModelRegistry(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}", artifact_root="models")
    said = r"cannot be read \(sqlite:///.*mlflow.db\): file is not a database. Restore it from a backup"
    with pytest.raises(MlflowStoreError, match=said):
        damaged.prepare()


@pytest.mark.parametrize("value", [None, "", "mysql://u:geheim@h/d", "postgresql://u:geheim@h/d"])
def test_a_variable_without_a_store_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is not None:
        monkeypatch.setenv("DRIFTLINE_POSTGRES_URL", value)
    elsewhere = ModelRegistry(tracking_uri="env:DRIFTLINE_POSTGRES_URL", artifact_root="models")
    with pytest.raises(MlflowStoreError, match="the variable DRIFTLINE_POSTGRES_URL is not") as refused:
        elsewhere.prepare()
    assert "geheim" not in str(refused.value)


@pytest.mark.long
@pytest.mark.slow
def test_processes_that_meet_a_new_database_together_all_succeed(tmp_path: Path) -> None:
    code = (
        "import sys; from resources.model_registry.registry import ModelRegistry;"
        "made = ModelRegistry(tracking_uri=f'sqlite:///{sys.argv[1]}/new.db', artifact_root=sys.argv[1]);"
        "made.prepare(); print(made.champion('p'))"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert [process.communicate(timeout=300)[0].strip() for process in started] == ["None"] * 3
    assert [process.returncode for process in started] == [0] * 3


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR is not set")
def test_postgres_holds_mlflow_in_a_schema_of_its_own(
    tmp_path: Path, mortal_postgres: PostgresServer
) -> None:
    prepare = (
        "import sys; from resources.model_registry.registry import ModelRegistry;"
        "made = ModelRegistry(tracking_uri=sys.argv[1], artifact_root=sys.argv[2]); made.prepare();"
    )
    use = prepare + (
        "import tests.resources.model_registry.test_registry as here; from sqlalchemy import create_engine, text;"
        "print([here.register(made, 'p', key).version for key in 'aab']);"
        "made.point_aliases('p', {'champion': 2}); print(made.champion('p').version);"
        "rows = create_engine(sys.argv[1]).connect().execute(text("
        "\"SELECT DISTINCT table_schema FROM information_schema.tables WHERE table_name = 'alembic_version'\"));"
        "print(rows.scalars().all())"
    )
    url = f"postgresql+psycopg2://postgres@/postgres?host={mortal_postgres.settings['host']}"
    together = [subprocess.Popen([sys.executable, "-c", prepare, url, str(tmp_path)]) for _ in range(2)]
    assert [process.wait(timeout=300) for process in together] == [0, 0]
    arguments = [sys.executable, "-c", use, url, str(tmp_path)]
    found = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=300)
    assert found.stdout.splitlines() == ["[1, 1, 2]", "2", "['mlflow']"]
