"""The page of commands is what the commands say."""

import pytest

from driftline import reference
from driftline.reference import PAGE, main, reference_page
from tests.driftline.commands import leaf_commands


def test_the_page_is_in_step_with_the_commands() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference_page(), "run `make docs`"
    assert main(["--check"]) == 0


def test_every_command_has_its_heading_usage_and_options() -> None:
    page = reference_page()
    for words, command in leaf_commands().items():
        (section,) = [
            part for part in page.split("\n#") if part.lstrip("#").startswith(f" driftline {words}\n")
        ]
        assert f"```text\ndriftline {words}" in section
        for option in command.params:
            if option.param_type_name == "option":
                assert f"| `{option.opts[0]}" in section.replace("`-v, ", "`"), f"{words} {option.name}"


def test_a_page_that_lags_behind_is_told(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pathlib import Path

    page = Path(str(tmp_path)) / "commands.md"
    monkeypatch.setattr(reference, "PAGE", page)
    assert main(["--check"]) == 1
    assert capsys.readouterr().err == "commands.md is not what the commands say. Run `make docs`.\n"
    assert main([]) == 0
    assert main(["--check"]) == 0
