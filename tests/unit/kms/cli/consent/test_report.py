"""The report as a page and as lines: what a lawyer and a spreadsheet read."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from hallmark_client.model.log import LogPromise
from hallmark_client.model.removals import (
    DailyRoot,
    DeletionReceipt,
    Percentiles,
    ReceiptGrade,
    Removal,
    RemovalReport,
    RemovalState,
)
from hallmark_client.model.signed import ServiceSignature
from kms.cli.consent.report_csv import COLUMNS, removals_csv
from kms.cli.consent.report_html import duration, report_page

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PROMISE = LogPromise(leaf_hash=bytes(32), event_key="0193b3f0-key", leaf_index=None, tlog_proof=b"", entry=b"{}")
SIGNATURE = ServiceSignature(
    key_version="tenants/system/keys/revocation-events/versions/1", signature=b"", context="", sign_time=NOW
)
REMOVAL = Removal(
    name="tenants/default/removals/0193b3f0-0000-7000-8000-000000000001",
    device="tenants/default/devices/3e2c0b54-7c2f-8e0e-b0a5-0d4f1a6f0f8e",
    artifact=f"tenants/default/artifacts/{'ab' * 32}",
    consent="",
    state=RemovalState.OVERDUE,
    grade=None,
    effective_time=NOW,
    deadline=NOW + timedelta(hours=24),
    issue_time=NOW,
    deliver_time=NOW + timedelta(seconds=1),
    acknowledge_time=None,
    receipt_time=None,
    lease_end_time=None,
    reason="",
    receipt=None,
)
REPORT = RemovalReport(
    since=NOW - timedelta(days=30),
    until=NOW,
    report_time=NOW,
    states={"deleted": 1200, "lapsed": 3, "overdue": 1, "issued": 0, "new-state": 2},
    grades={"A0": 1, "A1": 1000, "A2": 199},
    to_acknowledgement=Percentiles(count=1200, p50_seconds=0.4, p99_seconds=75, max_seconds=7300),
    to_receipt=None,
    overdue=(REMOVAL,),
    daily_roots=(
        DailyRoot(day="2026-11-21", root=bytes(range(32)), size=1204, payload=b"{}", signature=SIGNATURE, log=PROMISE),
    ),
)


class Reader(HTMLParser):
    """What a browser would fetch or run, and the words."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.words = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "action", "onload"}]

    def handle_data(self, data: str) -> None:
        self.words += data


def read(report: RemovalReport) -> Reader:
    reader = Reader()
    reader.feed(report_page(report))
    return reader


def test_the_page_says_what_is_proved_and_what_is_not() -> None:
    words = read(REPORT).words
    assert "Of 1,206 removals, 1 is overdue" in words
    for said in ("not copied out", "hallmark log check-proof", bytes(range(32)).hex(), "0193b3f0-key", "2026-11-21"):
        assert said in words
    assert "1 min 15 s" in words
    assert "2 h 01 min" in words


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing() -> None:
    reader = read(REPORT)
    assert not {"script", "link", "img", "iframe", "object"} & set(reader.tags)
    assert reader.addresses == []
    assert "@media print" in report_page(REPORT)


def test_the_same_report_gives_the_same_page() -> None:
    assert report_page(REPORT) == report_page(replace(REPORT))


def test_names_can_not_break_out_of_the_page() -> None:
    evil = replace(REMOVAL, device="<script>alert(1)</script>")
    assert "<script" not in report_page(replace(REPORT, overdue=(evil,), states={"<b>": 1}))


def test_a_quiet_time_is_said_so() -> None:
    quiet = replace(REPORT, states={"deleted": 0}, overdue=(), daily_roots=(), to_acknowledgement=None)
    words = read(quiet).words
    assert "Nothing was to be removed" in words
    assert "Nobody." in words
    calm = replace(REPORT, states={"deleted": 2, "issued": 1}, overdue=())
    assert "none is overdue. 2 are settled, 1 still have time" in read(calm).words


def test_one_line_for_each_removal_of_the_span() -> None:
    receipt = DeletionReceipt(set=b"{}", grade=ReceiptGrade.A1, log=PROMISE)
    deleted = replace(
        REMOVAL, state=RemovalState.DELETED, grade=ReceiptGrade.A1, receipt=receipt, receipt_time=NOW, reason="=1+1"
    )
    later, earlier = (replace(REMOVAL, issue_time=NOW + timedelta(days=days)) for days in (1, -40))
    text = removals_csv([later, deleted, earlier, deleted], since=REPORT.since, until=NOW + timedelta(hours=1))
    header, row = csv.reader(io.StringIO(text))
    assert tuple(header) == COLUMNS
    found = dict(zip(header, row, strict=True))
    assert (found["state"], found["grade"], found["log_entry"]) == ("deleted", "A1", "0193b3f0-key")
    assert found["receipt_time"] == "2026-11-22T12:00:00Z"
    assert found["acknowledge_time"] == ""
    assert found["reason"] == "'=1+1", "a spreadsheet would run it"


def test_lengths_of_time_are_short() -> None:
    assert [duration(each) for each in (0.04, 59.9, 60, 3599, 3600, 90_061)] == [
        "0.0 s",
        "59.9 s",
        "1 min 00 s",
        "59 min 59 s",
        "1 h 00 min",
        "25 h 01 min",
    ]
