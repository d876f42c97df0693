"""A page that accuses an honest log is as wrong as one that trusts a dishonest one."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.merkle import leaf_hash, root_from_leaves
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.prove import inclusion_proof
from web.published_log import ORIGIN, LogSigner
from web.test_history import verify_history
from web.visitor import ENTRIES, SIZE, Visitor

STORED = "`transparency-log ${new URL('.', document.baseURI).href}`"


@contextmanager
def in_every_page(visitor: Visitor, script: str) -> Iterator[None]:
    """Runs before the page's own scripts: the browser is another one then."""
    added = visitor.browser.devtools("Page.addScriptToEvaluateOnNewDocument", source=script)
    try:
        yield
    finally:
        visitor.browser.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=added["identifier"])


@pytest.mark.parametrize("stored", ["{", "null", "[]", '{"v":1}', '{"v":1,"trust":"x","seen":[{}]}'])
def test_a_damaged_memory_is_named_and_can_be_forgotten(trusting: Visitor, stored: str) -> None:
    trusting.browser.script(f"localStorage.setItem({STORED}, arguments[0])", stored)
    assert trusting.visit() == "The memory of this browser is damaged"
    trusting.browser.script("window.confirm = () => true; document.querySelector('#keys').open = true")
    trusting.browser.click("#keys-forget")
    trusting.browser.wait_for("document.querySelector('#verdict h2').innerText.startsWith('Signed, by keys')")


def test_a_browser_that_keeps_nothing_still_verifies(visitor: Visitor) -> None:
    denied = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('', 'SecurityError') }})"
    with in_every_page(visitor, denied):
        visitor.visit()
        visitor.trust(visitor.log.signer.vkeys)
        visitor.browser.wait_for("document.querySelector('.banner.good')")
        visitor.visit()
        assert "remember nothing" in visitor.browser.text("#newest")


@pytest.mark.parametrize(
    ("missing", "title"),
    [("ML-DSA-44", "Verified, with a remark"), ("", "This browser cannot check it")],
    ids=["no-ml-dsa", "neither"],
)
def test_a_browser_without_the_algorithms_says_so(trusting: Visitor, missing: str, title: str) -> None:
    without = (
        "const importKey = crypto.subtle.importKey;"
        "SubtleCrypto.prototype.importKey = function (format, key, algorithm, ...rest) {"
        f"  if (String(algorithm).includes('{missing}')) throw new DOMException('', 'NotSupportedError');"
        "  return importKey.call(crypto.subtle, format, key, algorithm, ...rest); }"
    )
    with in_every_page(trusting, without):
        assert trusting.visit() == title
        assert trusting.browser.script("return document.querySelector('.banner.bad')") is None


def test_what_a_stranger_showed_before_the_keys_were_confirmed_counts_for_nothing(visitor: Visitor) -> None:
    true_signer = visitor.log.signer
    visitor.log.signer = LogSigner(seed=9)
    visitor.publish(SIZE + 10, entries=ENTRIES[::-1])
    assert visitor.visit() == "Signed, by keys you have not confirmed"
    visitor.log.signer = true_signer
    visitor.publish(SIZE)
    visitor.log.write("tile/0/002.p/88", (visitor.log.folder / "tile/0/002.p/88").read_bytes())
    visitor.browser.devtools("Network.clearBrowserCache")
    visitor.trust(true_signer.vkeys)
    visitor.visit()
    assert visitor.visit() == "Verified"


def test_what_the_confirmed_keys_signed_before_counts(visitor: Visitor) -> None:
    visitor.publish(SIZE + 10)
    visitor.visit()
    visitor.publish(SIZE)
    visitor.trust(visitor.log.signer.vkeys)
    visitor.browser.wait_for("document.querySelector('#verdict h2').innerText === 'The log went backwards'")


def test_a_proof_that_is_newer_than_the_page_is_no_rollback(trusting: Visitor, tmp_path) -> None:
    trusting.visit()
    trusting.publish(SIZE + 10)  # while the page is open
    leaves = [leaf_hash(entry) for entry in ENTRIES[: SIZE + 10]]

    def read_hash(level: int, index: int) -> bytes:
        return root_from_leaves(leaves[index << level : (index + 1) << level])

    path = inclusion_proof(SIZE + 5, SIZE + 10, read_hash)
    note = (trusting.log.folder / "checkpoint").read_bytes()
    (tmp_path / "new.tlog-proof").write_bytes(bytes(TlogProof(SIZE + 5, tuple(path), note)))
    (tmp_path / "new.json").write_bytes(ENTRIES[SIZE + 5])
    trusting.browser.type("#proof-files", f"{tmp_path}/new.tlog-proof\n{tmp_path}/new.json")
    trusting.wait_for_entry(f"Entry {SIZE + 5}")
    states = trusting.browser.script(
        "return [...document.querySelectorAll('#entry-body > p .badge')].map(b => b.innerText)"
    )
    assert states == ["✓ Proved to be in the log", "✓ same history"]
    assert f"{SIZE + 10} entries" in trusting.browser.text("#verdict"), "the newest checkpoint was read again"


def test_a_history_that_is_newer_than_the_page_is_no_rollback(trusting: Visitor) -> None:
    trusting.publish(SIZE, history=True)
    old = (trusting.log.folder / "checkpoint").read_bytes()
    trusting.publish(SIZE + 10, history=True)
    new = (trusting.log.folder / "checkpoint").read_bytes()
    trusting.log.write("checkpoint", old)
    assert trusting.visit() == "Verified"
    assert verify_history(trusting)[0] == "✕ The log went backwards", "it did: nothing newer is shown"
    trusting.log.write("checkpoint", new)
    assert verify_history(trusting) == ["✓ signed, part of today's log"] * 2


def test_an_entry_that_is_not_there_is_not_a_broken_file(trusting: Visitor) -> None:
    trusting.search("9,999")
    assert trusting.wait_for_entry("Entry 9,999") == "! Not in the log"
    assert "The last one is number 599" in trusting.browser.text("#entry-body")
    trusting.publish(SIZE + 10)
    trusting.search(str(SIZE + 1))
    assert trusting.wait_for_entry(f"Entry {SIZE + 1}") == "✓ Proved to be in the log"


@pytest.mark.parametrize("entry", [b"[" * 20_000 + b"]" * 20_000, b"\xef\xbb\xbf{}", b"", b"\xff\xfe"])
def test_a_strange_entry_is_shown_as_it_is(visitor: Visitor, entry: bytes) -> None:
    visitor.publish(SIZE, entries=[entry, *ENTRIES[1:]])
    visitor.visit()
    visitor.trust(visitor.log.signer.vkeys)
    visitor.visit("#entry=0")
    assert visitor.wait_for_entry("Entry 0") == "✓ Proved to be in the log"
    assert (
        visitor.browser.script("return document.querySelector('#entry-body pre').getAttribute('aria-label')")
        == "The entry"
    )


def test_the_search_in_a_log_of_any_size_ends(trusting: Visitor) -> None:
    checkpoint = Checkpoint(ORIGIN, 2**60, bytes(32))
    trusting.log.write("checkpoint", trusting.log.signer.note(checkpoint, timestamp=int(time.time())))
    trusting.visit()
    trusting.search("words")
    trusting.browser.wait_for("document.querySelector('#find-progress').innerText.includes('A file is missing')")
