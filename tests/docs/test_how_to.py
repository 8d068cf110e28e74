"""The how-to pages: their commands run, in one project; what machines here cannot run is parsed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import yaml

from tests.docs.reading import PAGES, REPOSITORY, Reader, blocks, titled
from tests.docs.test_commands import refusal

FOLLOWED = (
    "how-to/lineage.md", "how-to/schedule.md", "how-to/features.md", "how-to/online.md", "how-to/ci.md",
    "how-to/status.md", "how-to/alerts.md", "how-to/retraining.md", "how-to/models.md", "how-to/explain.md", "how-to/hyperparameters.md",
    "how-to/own-data.md", "how-to/forecasting.md", "how-to/rebuild.md",
)  # fmt: skip
"""Pages whose commands are run here, in this order, in one project: the last one takes its tables away."""

ELSEWHERE = {
    "how-to/asof-store.md": "tests/feature_repo/test_asof_page.py",
    "how-to/compare-policies.md": "tests/driftline/backtest",
    "how-to/recover.md": "tests/driftline/verify/test_page.py",
    "how-to/own-repository.md": "tests/driftline/init",
    "how-to/apis.md": "tests/sources/apis",
    "how-to/databases.md": "tests/sources/databases",
    "how-to/schemas.md": "tests/driftline/schema",
    "how-to/upload.md": "tests/driftline/upload",
    "how-to/upstream.md": "tests/pipelines/triggers/test_upstream.py",
}
"""Pages whose commands other tests run."""

SHOWN = (
    "how-to/batch-scoring.md", "how-to/custom-models.md", "how-to/decisions.md", "how-to/deployment.md", "how-to/files.md", "how-to/preprocess.md",
    "how-to/secrets.md", "how-to/service.md", "how-to/shapes.md", "how-to/stores.md", "how-to/tables.md", "how-to/upgrade.md",
)  # fmt: skip
"""Pages that show declarations and settings, and no command that a test can run: each block says why."""

CUSTOMERS = "customer,joined_at,visits,churned\n" + "".join(
    f"c{number},2024-01-{number % 28 + 1:02d} 08:00:00,{number % 9},{'yes' if number % 3 else 'no'}\n"
    for number in range(400)
)


def test_every_how_to_page_is_followed_somewhere() -> None:
    there = {page for page in PAGES if page.startswith("how-to/")}
    assert there <= {*FOLLOWED, *ELSEWHERE, *SHOWN}
    assert not [test for test in ELSEWHERE.values() if not (REPOSITORY / test).exists()]
    assert not [page for page in SHOWN if any(block.is_run for block in blocks(page))]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """Make the tutorial's project with its first four weeks, trained each week so that two models have served."""
    reader = Reader(tmp_path_factory.mktemp("how_to"))
    reader.type("driftline init shop\ncd shop")
    reader.write("make_orders.py", titled("tutorial.md")["make_orders.py"])
    reader.type("python make_orders.py 20 1.0\ndriftline new returns --source orders.csv --target returned")
    declared = reader.folder / "shop" / "defs" / "returns" / "defs.yaml"
    text = declared.read_text(encoding="utf-8")
    for said, meant in (
        ("end: 2024-05-26", "end: 2024-02-04"),
        ("max_age: 8", "max_age: 1, cooldown: 0"),
        ("    metric: roc_auc", "    metric: roc_auc\n    gate: {inconclusive: promote}"),
    ):
        assert text.count(said) == 1
        text = text.replace(said, meant)
    declared.write_text(text, encoding="utf-8")
    reader.type("driftline replay returns")
    reader.write("data/customers.csv", CUSTOMERS)
    return reader


@pytest.mark.long
@pytest.mark.parametrize("page", FOLLOWED)
def test_a_pages_commands_run(page: str, reader: Reader) -> None:
    printed = "".join(reader.follow(page))
    if page == "how-to/forecasting.md":
        error = re.search(r"realised ([\d.]+), estimated [\d.]+, never retrained ([\d.]+)", printed)
        assert error is not None
        # The page's figures, to what other versions of the libraries may change.
        assert float(error[1]) == pytest.approx(23.80, rel=0.05)
        # Last week's value errs by 30.4: a model of the change against it does not age.
        assert float(error[2]) == pytest.approx(24.08, rel=0.05)


def test_units_of_systemd_are_sound(tmp_path: Path) -> None:
    units = {
        Path(title).name: body
        for title, body in titled("how-to/service.md").items()
        if title.startswith("/etc/systemd/")
    }
    assert sorted(units) == ["driftline-backup.service", "driftline-backup.timer", "driftline.service"]
    for name, body in units.items():
        parsed = ConfigParser(strict=False, interpolation=None)
        parsed.optionxform = str  # type: ignore[assignment, method-assign]  # as its documentation says
        parsed.read_string(body)
        assert {"Unit"} < set(parsed.sections())
        # The page's project is not on this machine: systemd looks whether programs and users are.
        here = body.replace("/opt/shop/.venv/bin/driftline", "/bin/true").replace("User=driftline\n", "")
        (tmp_path / name).write_text(here, encoding="utf-8")
    program = shutil.which("systemd-analyze")
    if program is not None:
        done = subprocess.run(
            [program, "verify", *(str(tmp_path / name) for name in units)],
            capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert not [line for line in done.stderr.splitlines() if "driftline" in line], done.stderr


def test_files_of_containers_are_sound() -> None:
    """No engine runs in tests: instructions, and what the files say of each other, are compared."""
    files = titled("how-to/service.md")
    joined = re.sub(r"\\\n", " ", files["Dockerfile"])
    instructions = [line.split(" ", 1) for line in joined.splitlines() if line and line[0] not in " #"]
    assert {name for name, _ in instructions} <= {
        "FROM", "RUN", "WORKDIR", "COPY", "USER", "ENV", "VOLUME", "EXPOSE", "CMD",
    }  # fmt: skip
    start = json.loads(next(arguments for name, arguments in instructions if name == "CMD"))
    assert start[0] == "driftline"
    assert refusal(shlex.join(start[1:])) == ""
    compose = yaml.safe_load(files["compose.yaml"])
    volumes = {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service["volumes"]
    }
    assert {name for name in volumes if not name.startswith(".")} == set(compose["volumes"])
    pod, service = yaml.safe_load_all(files["driftline.yaml"])
    assert pod["spec"]["replicas"] == 1
    labels = pod["spec"]["template"]["metadata"]["labels"]
    assert pod["spec"]["selector"]["matchLabels"] == labels == service["spec"]["selector"]
    (container,) = pod["spec"]["template"]["spec"]["containers"]
    assert [mount["name"] for mount in container["volumeMounts"]] == [
        claim["metadata"]["name"] for claim in pod["spec"]["volumeClaimTemplates"]
    ]


def test_settings_of_proxies_are_sound(tmp_path: Path) -> None:
    """Where nginx is installed it reads its own; the braces and the headers that the guard needs are looked at anyway."""
    files = titled("how-to/service.md")
    nginx, caddy = files["/etc/nginx/conf.d/driftline.conf"], files["/etc/caddy/Caddyfile"]
    assert all(text.count("{") == text.count("}") for text in (nginx, caddy))
    assert all(
        f"proxy_set_header {header}" in nginx
        for header in ("Host $host", "Upgrade", "Connection", "Authorization")
    )
    program = shutil.which("nginx")
    if program is not None:
        plain = re.sub(r"^ *(?:ssl_certificate.*|auth_basic_user_file.*)\n", "", nginx, flags=re.MULTILINE)
        settings = tmp_path / "nginx.conf"
        settings.write_text(
            f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\n{plain.replace('443 ssl', '8443').replace('listen 80', 'listen 8080')}\n}}\n"
        )
        done = subprocess.run(
            [program, "-t", "-p", str(tmp_path), "-c", str(settings)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert "syntax is ok" in done.stderr, done.stderr


def test_files_of_ci_are_sound() -> None:
    files = titled("how-to/ci.md")
    runs = [
        step["run"]
        for step in yaml.safe_load(files[".github/workflows/declarations.yml"])["jobs"]["check"]["steps"]
        if "run" in step
    ]
    runs += yaml.safe_load(files[".gitlab-ci.yml"])["declarations"]["script"]
    (hook,) = yaml.safe_load(files[".pre-commit-config.yaml"])["repos"][0]["hooks"]
    calls = [run.removeprefix("driftline ") for run in (*runs, hook["entry"]) if run.startswith("driftline ")]
    assert len(calls) == 5
    assert not [call for call in calls if refusal(call)]
