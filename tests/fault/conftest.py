"""A last line that says what the faults came to; the facts travel with the reports, also from worker processes."""

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    stats = terminalreporter.stats
    reports = [report for report in stats.get("passed", []) if report.when == "call"]
    failed = len(stats.get("failed", [])) + len(stats.get("error", []))
    lines = [value for report in reports for name, value in report.user_properties if name == "fault summary"]
    for line in lines:
        terminalreporter.write_line(f"faults: {line}")
    skipped = len(stats.get("skipped", []))
    terminalreporter.write_line(f"faults: {len(reports)} cases passed, {failed} failed, {skipped} skipped")
