import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from declaration.rooms import ROOMS
from pipelines.component import VALIDATION_FLAG, load_pipelines
from pipelines.loading.read import DeclarationError, read
from tests.fixtures.sound_declaration import write

REPOSITORY = Path(__file__).resolve().parents[2]
FAULT = ("min_rows: 500", "min_rows: 1")
SAID = "drift.min_rows is 1, but must be at least 2."


@pytest.fixture
def defs_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project of its own, whose declarations are ours to spoil."""
    package = f"house_{abs(hash(tmp_path))}"
    (tmp_path / "pyproject.toml").write_text(
        f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{package}"\n'
    )
    root = tmp_path / package / "defs"
    root.mkdir(parents=True)
    for folder in (root.parent, root):
        (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return root


def _specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Return the assets by key; which resources serve them is the code location's affair."""
    found = [asset for asset in definitions.assets or [] if isinstance(asset, dg.AssetsDefinition)]
    return {spec.key.to_user_string(): spec for asset in found for spec in asset.specs}


def test_a_sound_declaration_becomes_assets_of_its_group(defs_root: Path) -> None:
    write(defs_root / "late")
    loaded = load_pipelines(defs_root)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["late"]
    assert not loaded.faults
    assert {"late/raw/raw_orders", "late/features/history", "late/model", "late/drift_report"} <= set(
        _specs(loaded.definitions)
    )
    assert {spec.group_name for spec in _specs(loaded.definitions).values()} == {"late"}


@pytest.mark.parametrize("folder", ["late", "sales/late"])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (FAULT, SAID),
        (("entity: customer", "entity: custmer"), "features.history names the unknown entity 'custmer'"),
        (("owners: [team:orders]", "owners: [team:orders"), "not valid YAML: while parsing a flow sequence"),
        (("type: pipelines.MLPipeline", "type: pipelines.MLPipelin"), "type is 'pipelines.MLPipelin'"),
        (("attributes:\n", "version: 2\nattributes:\n"), "unknown key 'version' beside 'attributes'"),
        (
            ("  retrain: {on", "  retrain: {}\n---\ntype: pipelines.MLPipeline\nattributes: {on"),
            "a second document",
        ),
    ],
    ids=["schema", "reference", "syntax", "type", "envelope", "documents"],
)
def test_a_faulty_declaration_is_shown_as_an_asset_and_the_others_load(
    defs_root: Path, folder: str, change: tuple[str, str], said: str
) -> None:
    write(defs_root / "sound")
    write(defs_root / folder, change)
    loaded = load_pipelines(defs_root)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["sound"]
    assert said in loaded.faults["late"]
    specs = _specs(loaded.definitions)
    assert {key for key in specs if not key.startswith("sound/")} == {"late/declaration"}
    shown = specs["late/declaration"]
    assert shown.group_name == "late"
    assert said in (shown.description or "")


def test_the_asset_of_a_faulty_declaration_cannot_be_materialized(defs_root: Path) -> None:
    write(defs_root / "late", FAULT)
    definitions = load_pipelines(defs_root).definitions
    asset = definitions.resolve_assets_def(dg.AssetKey(["late", "declaration"]))
    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(DeclarationError, match=SAID):
        dg.materialize([asset], instance=instance)


def test_a_check_command_fails_with_the_faults_of_all_files(
    defs_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(defs_root / "sound")
    write(defs_root / "late", FAULT)
    write(defs_root / "torn", ("owners: [team:orders]", "owners: [team:orders"))
    monkeypatch.setenv(VALIDATION_FLAG, "1")
    with pytest.raises(DeclarationError) as caught:
        load_pipelines(defs_root)
    assert [fault.split("/")[-2] for fault in caught.value.faults] == ["late", "torn"]


def test_two_folders_of_one_name_are_a_fault_of_that_name(defs_root: Path) -> None:
    write(defs_root / "a" / "late")
    write(defs_root / "b" / "late")
    write(defs_root / "sound")
    loaded = load_pipelines(defs_root)
    assert [pipeline.name for pipeline in loaded.pipelines] == ["sound"]
    assert loaded.faults == {"late": "two folders declare a pipeline named 'late'. Rename one."}


def test_broken_python_beside_declarations_is_not_hidden(defs_root: Path) -> None:
    write(defs_root / "sound")
    (defs_root / "extra.py").write_text("raise RuntimeError('broken by hand')\n")
    with pytest.raises(RuntimeError, match="broken by hand"):
        load_pipelines(defs_root)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the project, with one small sound declaration in place of the shipped ones."""
    copy = tmp_path_factory.mktemp("project")
    leave = shutil.ignore_patterns("__pycache__", "*.pyc")
    for room in ROOMS:
        shutil.copytree(REPOSITORY / room, copy / room, ignore=leave)
    for file in ("pyproject.toml", "workspace.yaml"):
        shutil.copy(REPOSITORY / file, copy)
    shutil.rmtree(copy / "pipelines" / "defs")
    write(copy / "pipelines" / "defs" / "late")
    return copy


def _environment(project: Path) -> dict[str, str]:
    foreign = ("DAGSTER_", "DRIFTLINE_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    own |= {"PYTHONPATH": str(project), "DRIFTLINE_HOME": str(project / ".driftline"), "COLUMNS": "200"}
    return own | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}"}


def _listed(project: Path, what: str) -> dict[str, Any]:
    done = _run(project, "dg", "list", what, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=project,
        env=_environment(project),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def faulty(project: Path) -> Iterator[Path]:
    """Put a faulty declaration beside the sound one, for one test."""
    folder = write(
        project / "pipelines" / "defs" / "torn",
        ("every: day", "every: dayly"),
        ("entity: customer", "entity: custmer"),
    )
    yield folder
    shutil.rmtree(folder)


@pytest.mark.long
@pytest.mark.slow
def test_dg_scaffolds_a_declaration_that_checks_green(project: Path) -> None:
    done = _run(project, "dg", "scaffold", "defs", "pipelines.MLPipeline", "churn")
    folder = project / "pipelines" / "defs" / "churn"
    try:
        assert done.returncode == 0, done.stderr
        assert read(folder).name == "churn"
        checked = _run(project, "dg", "check", "yaml", "pipelines/defs/churn")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        checked = _run(project, "dg", "check", "defs")
        assert checked.returncode == 0, checked.stdout + checked.stderr
        listed = _listed(project, "defs")
        keys = {asset["asset_key"] for asset in listed["assets"]}
        assert {
            "churn/raw/raw_events",
            "churn/features/customer_history",
            "churn/model",
            "late/model",
        } <= keys
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
def test_dg_refuses_to_scaffold_a_name_that_no_pipeline_can_have(project: Path) -> None:
    done = _run(project, "dg", "scaffold", "defs", "pipelines.MLPipeline", "Churn-2")
    assert done.returncode != 0
    assert "'Churn-2' cannot be a pipeline's name" in done.stdout + done.stderr
    assert not (project / "pipelines" / "defs" / "Churn-2").exists()


@pytest.mark.slow
def test_dg_lists_the_component_with_its_schema(project: Path) -> None:
    listed = _listed(project, "components")
    assert "pipelines.MLPipeline" in [component["key"] for component in listed["items"]]


@pytest.mark.slow
def test_dg_check_yaml_names_file_and_line(project: Path, faulty: Path) -> None:
    done = _run(project, "dg", "check", "yaml", str(faulty))
    assert done.returncode == 1
    assert "pipelines/defs/torn/defs.yaml:7" in done.stdout
    assert "'dayly' is not one of" in done.stdout


@pytest.mark.slow
def test_dagster_validates_with_all_faults_and_serves_the_rest(project: Path, faulty: Path) -> None:
    done = _run(project, "dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "pipelines/defs/torn/defs.yaml:7: unknown value 'dayly' for partitions.every." in said
    assert "pipelines/defs/torn/defs.yaml:31: features.history names the unknown entity 'custmer'." in said
    listed = _listed(project, "defs")
    keys = {asset["asset_key"] for asset in listed["assets"]}
    assert {"torn/declaration", "late/raw/raw_orders", "late/drift_report"} <= keys
    assert faulty.exists()


@pytest.mark.slow
def test_dagster_dev_serves_the_workspace(project: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = project / "dagster_home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with (project / "dev.log").open("w") as log:
        server = subprocess.Popen(
            # A shell starts what it runs in the background deaf to interrupts, and Dagster's servers end by one.
            ["env", "--default-signal=INT", *DAGSTER_DEV, "-p", str(port)],
            cwd=project,
            env={**_environment(project), "DAGSTER_HOME": str(home)},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        groups = _asset_groups(port, server)
    finally:
        server.send_signal(signal.SIGINT)
        try:
            # Its processes end one after another; on a busy machine that takes a while.
            server.wait(120)
        finally:
            if server.poll() is None:
                os.killpg(server.pid, signal.SIGKILL)
                server.wait()
    assert groups == {"late"}, (project / "dev.log").read_text()[-3000:]


DAGSTER_DEV = ("dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1")


def _asset_groups(port: int, server: subprocess.Popen[bytes]) -> set[str]:
    """Ask the web server for its asset groups as soon as it answers."""
    query = json.dumps({"query": "{ assetNodes { groupName repository { location { name } } } }"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"}
    )
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                nodes = json.load(answer)["data"]["assetNodes"]
        except OSError:
            time.sleep(0.5)
            continue
        assert {node["repository"]["location"]["name"] for node in nodes} <= {"driftline"}
        return {node["groupName"] for node in nodes}
    return set()
