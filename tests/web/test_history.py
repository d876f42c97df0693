"""The checkpoints of the past, in headless Chromium."""

from web.published_log import PublishedLog, make_entry
from web.visitor import ENTRIES, SIZE, Visitor


def verify_history(visitor: Visitor) -> list[str]:
    visitor.browser.click("#history-verify")
    visitor.browser.wait_for("document.querySelector('#history-progress .badge')")
    return visitor.browser.script(
        "return [...document.querySelectorAll('#history-table .badge')].map(badge => badge.innerText)"
    )


def test_the_published_history_is_verified(trusting: Visitor) -> None:
    for size in (1, 255, 256, 500, SIZE):
        trusting.publish(size, history=True)
    assert trusting.visit() == "Verified"
    assert verify_history(trusting) == ["✓ signed, part of today's log"] * 5
    assert trusting.browser.text("#history-progress") == "✓ 5 of 5 hold"
    entries = [*ENTRIES]
    entries[5] = make_entry(5, outcome="denied")
    other = PublishedLog(trusting.log.folder.parent / "other")
    other.publish(entries[:256], timestamp=1_795_000_000)
    forked = (other.folder / "checkpoint").read_bytes()
    trusting.log.write("history/256", forked)
    (trusting.log.folder / "history/255").unlink()
    trusting.visit()
    states = verify_history(trusting)
    assert states[2:4] == ["✕ The log was rewritten", "! A file is missing"]
    assert trusting.browser.text("#history-progress") == "✕ 3 of 5 hold"


def test_without_a_published_history_what_was_seen_is_shown(trusting: Visitor) -> None:
    trusting.publish(SIZE + 1)
    trusting.visit()
    assert "this browser has seen" in trusting.browser.text("#history-intro")
    assert len(verify_history(trusting)) == 2
