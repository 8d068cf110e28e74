"""Software of a training: written down, read again, compared."""

from dataclasses import replace
from importlib.metadata import version

from learning.environment import Environment, differences, present_environment


def test_the_environment_is_read_as_it_was_written() -> None:
    present = present_environment()
    assert Environment.from_text(present.to_text()) == present
    assert present.packages["numpy"] == version("numpy")
    assert present.packages["scikit-learn"] == version("scikit-learn")
    assert "openblas" in present.linear_algebra or present.linear_algebra
    assert len(present.code) == 16


def test_what_differs_is_named_with_both_values() -> None:
    then = replace(present_environment(), python="3.9.1", packages={"numpy": "1.0", "gone": "2"})
    now = replace(then, python="3.11.7", packages={"numpy": "2.0", "new": "3"})
    assert differences(then, now) == {
        "python": ("3.9.1", "3.11.7"),
        "package numpy": ("1.0", "2.0"),
        "package gone": ("2", "none"),
        "package new": ("none", "3"),
    }
    assert differences(now, now) == {}
