"""The table of `make chaos`: what was killed and raced under which seed."""

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what each seed met, and the sum."""
    told = [
        (report.nodeid.rpartition("::")[2], counts)
        for kind in ("passed", "failed")
        for report in terminalreporter.getreports(kind)
        for name, counts in getattr(report, "user_properties", ())
        if name == "chaos" and report.when == "call"
    ]
    if told:
        terminalreporter.section("kills and races")
        total: Counter[str] = Counter()
        for test, counts in told:
            total.update(counts)
            terminalreporter.write_line(f"{test}: {counts}")
        terminalreporter.write_line(f"in all: {dict(total)}")
