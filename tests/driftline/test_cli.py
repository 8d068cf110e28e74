"""The program: its overview, its exit codes, its errors, and what it costs to ask it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from driftline.cli import COMMANDS, FAULT, SUCCESS, USAGE, LazyGroup, driftline, main
from driftline.installation import JsonOption
from driftline.printing import print_json
from tests.driftline.commands import leaf_commands
from tests.fixtures.keys import undocumented

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = {
    "dagster", "deltalake", "duckdb", "feast", "great_expectations", "lightgbm", "mlflow", "numpy", "pandas", "pyarrow",
    "scipy", "sklearn", "sqlglot",
}  # fmt: skip
VENDORS = {"dagster", "feast", "great_expectations", "mlflow", "pandas", "sklearn"}
HELP_CPU_S = 0.3


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "driftline", *arguments],
        cwd=REPOSITORY, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def modules_after(program: str) -> set[str]:
    """Return the packages that a program has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"import sys\n{program}\nprint(*sys.modules, file=sys.stderr)"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


def test_the_overview_lists_every_command_in_its_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == SUCCESS
    overview = capsys.readouterr().out
    places = [overview.index(f"\n{title}:\n") for title in COMMANDS]
    assert places == sorted(places)
    for section in COMMANDS.values():
        for name, listed in section.items():
            assert f"\n  {name} " in overview
            assert listed.summary.split()[0] in overview


def test_summaries_are_the_first_lines_of_the_commands_own_help() -> None:
    def first_lines(group: LazyGroup) -> None:
        for section in group.listed.values():
            for name, listed in section.items():
                command = group.get_command(click.Context(group), name)
                assert command is not None
                assert (command.help or "").splitlines()[0] == listed.summary, name
                if isinstance(command, LazyGroup):
                    first_lines(command)

    assert isinstance(driftline, LazyGroup)
    first_lines(driftline)


@pytest.mark.parametrize("words", leaf_commands())
def test_every_command_explains_itself_and_each_of_its_options(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "-h"]) == SUCCESS
    assert f"Usage: driftline {words}" in capsys.readouterr().out
    command = leaf_commands()[words]
    assert (command.help or "").splitlines()[0].endswith(".")
    options = [one for one in command.params if isinstance(one, click.Option)]
    assert not [one.name for one in options if not (one.help or "").endswith(".")]


@pytest.mark.parametrize("words", leaf_commands())
def test_json_is_asked_for_in_one_way_and_its_keys_are_documented(words: str) -> None:
    for option in leaf_commands()[words].params:
        if "--json" in option.opts:
            assert isinstance(option, JsonOption), f"{words}: use installation.json_output"
            assert option.keys


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (["chek"], "No such command 'chek'. Did you mean 'check'?"),
        (["alerts", "shwo"], "No such command 'shwo'. Did you mean 'show'?"),
        (["model", "rolback"], "No such command 'rolback'. Did you mean 'rollback'?"),
        (["check", "--jsno"], "No such option '--jsno'. Did you mean"),
        (["zzz"], "No such command 'zzz'.\n"),
        (["backtest", "flight_delays"], "Give either --policy FILE or --compare."),
        (["backtest", "--compare", "--to", "2024-01-01"], "--compare lives through the whole history."),
        (["preview", "--partitions", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage_is_answered_with_what_was_meant(
    arguments: list[str], answer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == USAGE
    said = capsys.readouterr()
    assert said.out == ""
    assert answer in said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["preview"], ["replay"], ["backtest", "--policy", "pyproject.toml"], ["backtest", "--compare"], ["features", "plan"], ["features", "apply"],
        ["skew"], ["lineage"], ["alerts", "test"], ["alerts", "show"], ["alerts", "silence"], ["predict", "--rows", "-"],
    ],
)  # fmt: skip
def test_a_misspelt_pipeline_is_answered_with_the_nearest_in_one_way(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path))
    monkeypatch.chdir(REPOSITORY)
    assert main([*arguments, "flight_delay"]) == FAULT
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("Error: no pipeline 'flight_delay' in ")
    assert "Did you mean 'flight_delays'?" in said.err


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a project with one pipeline."""
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "shop"\n', encoding="utf-8")
    (tmp_path / "shop" / "defs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    # What `opened` sets is taken back.
    for name in ("DRIFTLINE_PROJECT", "DRIFTLINE_HOME", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DRIFTLINE_HOME", str(tmp_path / "home"))
    assert main(["new", "churn"]) == SUCCESS
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_name_may_be_left_out_where_there_is_one_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alerts", "silence"]) == SUCCESS
    assert "churn has no silence: every incident is told." in capsys.readouterr().out
    assert main(["new", "returns"]) == SUCCESS
    assert main(["alerts", "silence"]) == FAULT
    assert "NAME is needed" in capsys.readouterr().err


def test_check_prints_json_with_the_documented_keys(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from driftline.check import KEYS

    capsys.readouterr()
    assert main(["check", "--json"]) == SUCCESS
    found = json.loads(capsys.readouterr().out)
    assert found == {"n_declarations": 1, "faults": []}
    assert undocumented(found, KEYS) == set()
    (project / "shop" / "defs" / "churn" / "defs.yaml").write_text(
        "type: driftline.MLPipeline\n", encoding="utf-8"
    )
    assert main(["check", "--json"]) == FAULT
    assert len(json.loads(capsys.readouterr().out)["faults"]) >= 1


def test_json_knows_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": ("x", None)})
    assert json.loads(capsys.readouterr().out, parse_constant=pytest.fail) == {
        "a": None, "b": [None, 1.5], "c": ["x", None],
    }  # fmt: skip


def test_help_and_every_command_are_light_to_import() -> None:
    listing = "from tests.driftline.commands import leaf_commands; leaf_commands()"
    assert modules_after(listing) & HEAVY == set()
    overview = "from driftline.cli import main; main(['--help'])"
    assert modules_after(overview) & {*HEAVY, "pydantic", "rich", "yaml"} == set()


@pytest.mark.parametrize("arguments", [["check"], ["completion", "show", "bash"]])
def test_what_answers_at_once_imports_nothing_heavy(arguments: list[str]) -> None:
    called = f"from driftline.cli import main; assert main({arguments!r}) == 0"
    assert modules_after(called) & VENDORS == set()


def test_the_overview_comes_within_its_budget() -> None:
    run("--help")  # Compiles what is not compiled yet.
    best = min(_cpu_seconds("--help") for _ in range(3))
    assert best < HELP_CPU_S


def _cpu_seconds(*arguments: str) -> float:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert run(*arguments).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_piped_output_has_no_colours_and_errors_no_trace() -> None:
    done = run("check", "no/such/folder")
    assert done.returncode == FAULT
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
