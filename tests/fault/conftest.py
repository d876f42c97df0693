"""What the faults came to, at the very end; the facts travel with the reports, also from worker processes.

Tests record them as properties: "fault facts" and "fault summary" for a line each, "fault totals" for the last line;
"fault counts of the log" are added up for a line of their own; "deployment fault" is a row of the table at the end.
"""

from collections import Counter
from typing import Any

import pytest

from support.deployment_recovery import PROPERTY, table


def _properties(reporter: pytest.TerminalReporter, *names: str) -> list[Any]:
    reports = [report for report in reporter.stats.get("passed", []) if report.when == "call"]
    return [value for report in reports for key, value in report.user_properties if key in names]


def _lines(reporter: pytest.TerminalReporter, *names: str) -> list[str]:
    return [str(value) for value in _properties(reporter, *names)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _lines(terminalreporter, "fault facts", "fault summary"):
        terminalreporter.write_line(f"faults: {line}")
    total: Counter[str] = Counter()
    for counts in _properties(terminalreporter, "fault counts of the log"):
        total.update(counts)
    if total:
        kills_first = sorted(total.items(), key=lambda item: not item[0].startswith("kills"))
        facts = ", ".join(f"{name} {count:,}" for name, count in kills_first)
        terminalreporter.write_line(f"faults: the log, all together: {facts}")
    for line in table(_properties(terminalreporter, PROPERTY)):
        terminalreporter.write_line(line)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """After pytest's own last line. Nothing in worker processes, which have no terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not (totals := _lines(reporter, "fault totals")):
        return
    failed = len(reporter.stats.get("failed", [])) + len(reporter.stats.get("error", []))
    verdict = f"{failed} cases FAILED" if failed else f"{len(reporter.stats['passed'])} cases passed, 0 failed"
    reporter.write_line(f"faults: {'; '.join(totals)}; {verdict}")
