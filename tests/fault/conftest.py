"""What the faults came to, at the very end; the facts travel with the reports, also from worker processes.

Tests record them as properties: "fault facts" and "fault summary" for a line each, "fault totals" for the last line.
"""

import pytest


def _lines(reporter: pytest.TerminalReporter, *names: str) -> list[str]:
    reports = [report for report in reporter.stats.get("passed", []) if report.when == "call"]
    return [str(value) for report in reports for key, value in report.user_properties if key in names]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _lines(terminalreporter, "fault facts", "fault summary"):
        terminalreporter.write_line(f"faults: {line}")


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """After pytest's own last line. Nothing in worker processes, which have no terminal."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not (totals := _lines(reporter, "fault totals")):
        return
    failed = len(reporter.stats.get("failed", [])) + len(reporter.stats.get("error", []))
    verdict = f"{failed} cases FAILED" if failed else f"{len(reporter.stats['passed'])} cases passed, 0 failed"
    reporter.write_line(f"faults: {'; '.join(totals)}; {verdict}")
