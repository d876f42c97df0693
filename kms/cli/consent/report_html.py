"""The report for people who are not engineers: one HTML page without scripts and without anything from elsewhere."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Final

from kms.cli.output import moment, short

if TYPE_CHECKING:
    from hallmark_client.model.removals import Percentiles, RemovalReport

_STYLE: Final = """
body{font:1.05rem/1.6 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
body{color:#1a1a1a;background:#fff}
h1{font-size:1.6rem;line-height:1.3}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse;width:100%;margin:.6rem 0}
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #999;vertical-align:top}

.answer{border:2px solid #1a1a1a;padding:.6rem 1rem;font-weight:600}
code{font:.85rem/1.4 ui-monospace,monospace;overflow-wrap:anywhere}
@page{margin:18mm}
@media print{body{margin:0;max-width:none;font-size:10.5pt}h2{break-after:avoid}tr{break-inside:avoid}
thead{display:table-header-group}}
"""
_STATES: Final[dict[str, tuple[str, str]]] = {
    "deleted": ("Deleted, with a receipt", "The device says that it destroyed the key, and gave a receipt for it."),
    "lapsed": (
        "Lapsed",
        "The device was never reached, and every permission it was given has ended by itself. It did not say so.",
    ),
    "overdue": (
        "Overdue",
        "The promised time has passed and there is no receipt. The device gets no new permission.",
    ),
    "issued": ("Asked", "The command is on its way; the promised time has not passed."),
    "delivered": ("Sent", "The command was sent to the device; the promised time has not passed."),
    "acknowledged": (
        "Confirmed",
        "The device says that it no longer uses the data; it has not given its receipt yet.",
    ),
    "unreachable": ("Not reached", "The device has not been heard of since it was asked."),
}
_GRADES: Final[dict[str, str]] = {
    "A2": "Hardware vouches for it: a security chip certified the deletion, or the state of the device that says so.",
    "A1": "The device signed it with the key that its maker's hardware vouched for when it was enrolled.",
    "A0": "The device's software says so, over its own protected connection. It is not signed.",
}
_NOT_PROVED: Final = (
    "No receipt, of whatever grade, proves that the data were not copied out of the device while its holder was still "
    "allowed to open them. What is proved is that the key was destroyed, by whom this is said, and when."
)
_CHECK: Final = (
    "Every receipt and every daily summary below stands in a transparency log: a public list that nobody, the operator "
    "included, can change afterwards without being noticed. An expert can check it without trusting the operator:"
)
_STEPS: Final = (
    ("Fetch the proof of a day's summary (or of any receipt) by its log entry, from the public files of the log:",
     "hallmark log prove --public URL --vkey log.vkey --entry LOG-ENTRY --output day.tlog-proof"),
    ("Check the proof, offline, with the keys of the log that you got in another way:",
     "hallmark log check-proof day.tlog-proof --vkey log.vkey"),
    ("Compare: the proved entry names the day and its root as they stand in the table below.", ""),
)  # fmt: skip


def report_page(report: "RemovalReport") -> str:
    """The same report gives the same page."""
    sections = (
        _answer(report),
        _section("What became of the requests", _states(report)),
        _section("What proves it", _grades(report)),
        _section("How long it took", _times(report)),
        _section("Who is overdue", _overdue(report)),
        _section("The summary of each day", _days(report)),
        _section("How to check this report", _check()),
    )
    span = (
        f"Requests made from {moment(report.since)} to {moment(report.until)}. Report of {moment(report.report_time)}."
    )
    body = "\n".join(("<h1>Removal report</h1>", f"<p>{escape(span)}</p>", *sections))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        f"<title>Removal report</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _answer(report: "RemovalReport") -> str:
    """The sentence that matters first."""
    total = sum(report.states.values())
    late = report.states.get("overdue", 0)
    if total == 0:
        sentence = "Nothing was to be removed in this time."
    elif late:
        verb = "is" if late == 1 else "are"
        sentence = f"Of {total:,} removals, {late:,} {verb} overdue: the promised time has passed without a receipt."
    else:
        settled = report.states.get("deleted", 0) + report.states.get("lapsed", 0)
        sentence = (
            f"Of {total:,} removals, none is overdue. {settled:,} are settled, {total - settled:,} still have time."
        )
    return f'<p class="answer">{escape(sentence)}</p>'


def _states(report: "RemovalReport") -> str:
    rows = []
    for name, count in report.states.items():
        title, meaning = _STATES.get(name, (name, ""))
        if count:
            rows.append((escape(title), f"{count:,}", escape(meaning)))
    return _table(("State", "Removals", "What that means"), rows) if rows else "<p>There were none.</p>"


def _grades(report: "RemovalReport") -> str:
    rows = [(name, f"{report.grades.get(name, 0):,}", escape(meaning)) for name, meaning in _GRADES.items()]
    return f"{_table(('Grade', 'Receipts', 'What stands behind it'), rows)}<p>{escape(_NOT_PROVED)}</p>"


def _times(report: "RemovalReport") -> str:
    rows = [
        (escape(name), *_cells(times))
        for name, times in (
            ("From the withdrawal until the device confirmed", report.to_acknowledgement),
            ("From the withdrawal until the receipt", report.to_receipt),
        )
        if times is not None
    ]
    if not rows:
        return "<p>No device has confirmed or given a receipt.</p>"
    return _table(("", "Removals", "Half of them within", "99 of 100 within", "Longest"), rows)


def _cells(times: "Percentiles") -> tuple[str, ...]:
    return (f"{times.count:,}", *map(duration, (times.p50_seconds, times.p99_seconds, times.max_seconds)))


def duration(seconds: float) -> str:
    """In the two largest units: 1 h 05 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    return f"{minutes} min {int(seconds % 60):02} s" if hours == 0 else f"{hours:,} h {minutes % 60:02} min"


def _overdue(report: "RemovalReport") -> str:
    if not report.overdue:
        return "<p>Nobody.</p>"
    rows = [
        (_code(short(each.device)), _code(short(each.artifact)), moment(each.deadline), _code(short(each.name)))
        for each in report.overdue
    ]
    total = report.states.get("overdue", 0)
    more = f"<p>The oldest {len(rows):,} of {total:,}.</p>" if total > len(rows) else ""
    return _table(("Device", "What", "Promised time ended", "Removal"), rows) + more


def _days(report: "RemovalReport") -> str:
    if not report.daily_roots:
        return "<p>No day of this time is closed yet.</p>"
    rows = [
        (escape(day.day), f"{day.size:,}", _code(day.root.hex()), _code(day.log.event_key))
        for day in report.daily_roots
    ]
    intro = (
        "At the end of each day the state of all removals is summed up in one number, the root, which is signed and "
        "logged. A day without any has none."
    )
    return f"<p>{escape(intro)}</p>" + _table(("Day (UTC)", "Removals", "Root", "Log entry"), rows)


def _check() -> str:
    steps = "".join(
        f"<li>{escape(sentence)}{'<br>' + _code(command) if command else ''}</li>" for sentence, command in _STEPS
    )
    return f"<p>{escape(_CHECK)}</p><ol>{steps}</ol>"


def _section(title: str, body: str) -> str:
    return f"<h2>{escape(title)}</h2>\n{body}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """`rows` are HTML already."""
    head = "".join(f"<th>{escape(each)}</th>" for each in header)
    lines = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"
