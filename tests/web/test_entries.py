"""Entries: found, proved step by step, downloaded, brought back, and shown as broken when they are."""

import time
from pathlib import Path

from hallmark_tlog.merkle import leaf_hash, node_hash
from hallmark_tlog.proof import parse_proof, verify_proof
from hallmark_tlog.tiles import tile_at
from web.published_log import ORIGIN
from web.visitor import ENTRIES, HOSTILE, SIZE, Visitor


def test_an_entry_is_proved_step_by_step(trusting: Visitor) -> None:
    trusting.search("300")
    assert trusting.wait_for_entry("Entry 300") == "✓ Proved to be in the log"
    entry = ENTRIES[300]
    assert HOSTILE.replace('"', '\\"') in trusting.browser.text("#entry-body pre"), "shown as text, not run"
    assert trusting.browser.script("return document.title") == "Transparency log"
    assert "\\u202egnp.exe" in trusting.browser.text("#entry-body pre"), "what turns the text is written out"
    rows = trusting.browser.script(
        "return [...document.querySelectorAll('.path tbody tr')]"
        ".map(row => [...row.querySelectorAll('.hash')].map(hash => hash.title))"
    )
    computed = leaf_hash(entry).hex()
    for left, right, parent in rows:
        assert computed in (left, right)
        computed = node_hash(bytes.fromhex(left), bytes.fromhex(right)).hex()
        assert parent == computed
    titles = trusting.browser.script("return [...document.querySelectorAll('.final .hash')].map(hash => hash.title)")
    assert titles == [computed, computed]


def test_an_entry_that_says_two_things_is_shown_as_it_is(trusting: Visitor) -> None:
    trusting.search("301")
    assert trusting.wait_for_entry("Entry 301") == "✓ Proved to be in the log"
    assert trusting.browser.text("#entry-body pre") == ENTRIES[301].decode()
    assert "About" not in trusting.browser.text("#entry-body")


def test_a_downloaded_proof_holds_elsewhere(trusting: Visitor, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    trusting.browser.devtools("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    trusting.visit("#entry=300")
    trusting.browser.click("#save-proof")
    trusting.browser.click("#save-entry")
    proof, entry = wait_for_file(folder / "entry-300.tlog-proof"), wait_for_file(folder / "entry-300.json")
    keys = [trusting.log.signer.ed25519, trusting.log.signer.mldsa]
    assert verify_proof(proof, entry, keys, origin=ORIGIN).index == 300
    assert entry == ENTRIES[300]
    # Back into the page, after the log has grown: the old checkpoint is part of the new log.
    trusting.publish(SIZE + 20)
    assert trusting.visit() == "Verified"
    trusting.browser.type("#proof-files", f"{folder / 'entry-300.tlog-proof'}\n{folder / 'entry-300.json'}")
    assert trusting.wait_for_entry("Entry 300") == "✓ Proved to be in the log"
    assert "is part of today's log" in trusting.browser.text("#entry-body")
    (folder / "other.json").write_bytes(ENTRIES[301])
    trusting.browser.type("#proof-files", f"{folder / 'entry-300.tlog-proof'}\n{folder / 'other.json'}")
    trusting.browser.wait_for("document.querySelector('#entry-body .badge.bad')")
    assert trusting.browser.text("#entry-body .badge") == "✕ The proof is broken"
    assert len(parse_proof(proof).path) == 10


def wait_for_file(path: Path) -> bytes:
    deadline = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < deadline, f"{path.name} was not downloaded"
        time.sleep(0.05)
    return path.read_bytes()


def test_entries_are_found_by_event_id_and_by_words(trusting: Visitor) -> None:
    trusting.search(make_id(17))
    assert trusting.wait_for_entry("Entry 17") == "✓ Proved to be in the log"
    assert trusting.browser.script("return document.activeElement.id") == "entry-title", "a keyboard goes on from here"
    trusting.search("REVIEWER nobody")
    trusting.browser.wait_for("document.querySelector('#find-progress').innerText.includes('whole log was searched')")
    assert "Nothing found" in trusting.browser.text("#find-progress")
    trusting.search("devices/7F3A")
    trusting.browser.wait_for("document.querySelectorAll('#find-results li').length > 50")
    numbers = trusting.browser.script(
        "return [...document.querySelectorAll('.number')].map(number => number.innerText)"
    )
    assert numbers[:3] == ["#598", "#594", "#590"], "newest first"


def make_id(index: int) -> str:
    return ENTRIES[index].split(b'"id":"')[1][:36].decode()


def test_an_altered_entry_is_shown_as_broken(trusting: Visitor) -> None:
    trusting.log.alter(tile_at(None, 1, SIZE), at=200)  # in entry 256
    trusting.visit("#entry=256")
    assert trusting.wait_for_entry("Entry 256") == "✕ The proof is broken"
    assert "not the same" in trusting.browser.text(".final")
    assert trusting.browser.script("return document.querySelector('#save-proof')") is None
    trusting.search("255")
    assert trusting.wait_for_entry("Entry 255") == "✓ Proved to be in the log"


def test_an_altered_tile_is_shown_as_broken(trusting: Visitor) -> None:
    trusting.log.alter(tile_at(0, 1, SIZE), at=0)  # the hash of entry 256
    trusting.visit("#entry=257")
    assert trusting.wait_for_entry("Entry 257") == "✕ The proof is broken"
    trusting.log.alter(tile_at(1, 0, SIZE), at=0)
    assert trusting.visit() == "The published files are broken"
