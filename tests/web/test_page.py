"""What a person is told about the log and its keys, in headless Chromium."""

import pytest

from web.published_log import LogSigner, make_entry
from web.visitor import ENTRIES, SIZE, Visitor, policy_of


def test_keys_are_a_claim_until_they_are_confirmed(visitor: Visitor) -> None:
    assert visitor.visit() == "Signed, by keys you have not confirmed"
    assert "600 entries" in visitor.browser.text("#verdict")
    assert visitor.browser.text("#keys-state") == "not confirmed yet"
    visitor.browser.click("#keys-confirm")
    visitor.browser.wait_for("document.querySelector('.banner.good')")
    assert visitor.browser.text("#verdict h2") == "Verified"
    assert visitor.signature_states() == ["✓ verified", "✓ verified", "– key not known here"]
    assert visitor.visit() == "Verified"
    assert "none changed or removed" in visitor.browser.text("#newest")


def test_nothing_comes_from_elsewhere_and_the_browser_has_no_complaint(trusting: Visitor) -> None:
    trusting.publish(SIZE, history=True)
    trusting.log.write("policy", policy_of(trusting.log.signer).encode())
    trusting.visit()
    trusting.search("300")
    trusting.wait_for_entry("Entry 300")
    requested = trusting.browser.script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert any("/tile/entries/" in name for name in requested)
    assert {name.startswith(f"{trusting.url}/") for name in requested} == {True}
    assert trusting.browser.console_errors() == []
    blocked = trusting.browser.script(
        "try { document.body.innerHTML = '<p>'; return 'taken' } catch (error) { return error.name }"
    )
    assert blocked == "TypeError", "the page's policy lets nobody write HTML"


def test_a_log_that_goes_backwards_is_shouted_about_again_and_again(trusting: Visitor) -> None:
    trusting.publish(SIZE - 100)
    for _ in range(2):
        assert trusting.visit() == "The log went backwards"
        assert trusting.browser.script("return document.querySelector('.banner').getAttribute('role')") == "alert"
        assert "600 entries" in trusting.browser.text("#verdict")
        assert "Download both checkpoints" in trusting.browser.text("#verdict")
    trusting.search("5")
    assert trusting.wait_for_entry("Entry 5") == "! Proved to be in the log"
    trusting.publish(SIZE + 1)
    assert trusting.visit() == "Verified"


def test_what_is_withheld_is_not_said_to_be_proved(trusting: Visitor) -> None:
    trusting.publish(SIZE + 10)
    for tile in (trusting.log.folder / "tile/0").iterdir():
        tile.rename(trusting.log.folder / f"withheld-{tile.name}")
    assert trusting.visit() == "A file is missing"
    assert "✕ not proved" in trusting.browser.text("#newest")


@pytest.mark.parametrize("size", [SIZE, SIZE + 1])
def test_a_rewritten_log_is_shouted_about(trusting: Visitor, size: int) -> None:
    entries = [*ENTRIES]
    entries[5] = make_entry(5, outcome="denied")
    trusting.publish(size, entries=entries)
    assert trusting.visit() == "The log was rewritten"


def test_a_wrong_signature_and_a_strangers_log_are_refused(trusting: Visitor) -> None:
    note = (trusting.log.folder / "checkpoint").read_bytes()
    trusting.log.write("checkpoint", note.replace(b"\n600\n", b"\n599\n", 1))
    assert trusting.visit() == "A signature is wrong"
    assert trusting.signature_states()[:2] == ["✕ wrong", "✕ wrong"]
    trusting.log.signer = LogSigner(seed=9)
    trusting.publish(SIZE)
    assert trusting.visit() == "Not signed by your keys"


def test_a_key_that_did_not_sign_is_named(trusting: Visitor) -> None:
    note = (trusting.log.folder / "checkpoint").read_bytes()
    trusting.log.write("checkpoint", b"\n".join(note.split(b"\n")[:5]) + b"\n")
    assert trusting.visit() == "Verified, with a remark"
    assert "ML-DSA-44" in trusting.browser.text("#verdict")


def test_a_witness_policy_counts_cosignatures(visitor: Visitor) -> None:
    signer, other = visitor.log.signer, LogSigner(seed=9).witness
    logs = f"log {signer.ed25519}\nlog {signer.mldsa}\nwitness one {signer.witness}\nwitness two {other}\n"
    visitor.visit()
    visitor.trust(f"{logs}group both 1 one two\nquorum both\n")
    visitor.browser.wait_for("document.querySelector('.banner.good, .banner.warn h2')")
    visitor.visit()
    assert "quorum both reached one" in visitor.browser.text("#newest")
    assert visitor.signature_states() == ["✓ verified"] * 3 + ["! did not sign"]
    visitor.trust(f"{logs}group both all one two\nquorum both\n")
    visitor.browser.wait_for("document.querySelector('#verdict h2').innerText === 'Too few witnesses'")


def test_a_published_policy_is_a_claim_until_it_is_confirmed(visitor: Visitor) -> None:
    visitor.log.write("policy", policy_of(visitor.log.signer).encode())
    assert visitor.visit() == "Signed, by keys you have not confirmed"
    assert visitor.signature_states() == ["✓ verified"] * 3
    visitor.browser.click("#keys-confirm")
    visitor.browser.wait_for("document.querySelector('.banner.good')")
    assert "quorum all-of-them reached one" in visitor.browser.text("#newest")
    visitor.log.write("policy", policy_of(LogSigner(seed=9)).encode())
    assert visitor.visit() == "Verified, with a remark"
    assert "a key that you have not confirmed" in visitor.browser.text("#verdict")
    note = (visitor.log.folder / "checkpoint").read_bytes()
    visitor.log.write("checkpoint", b"\n".join(note.split(b"\n")[:6]) + b"\n")
    assert visitor.visit() == "Too few witnesses"


def test_what_is_pasted_must_be_keys(visitor: Visitor) -> None:
    visitor.visit()
    key = str(visitor.log.signer.ed25519)
    visitor.browser.type("#keys-text", key.replace("+", "+0", 1))
    visitor.browser.click("#keys-form button")
    visitor.browser.wait_for("document.querySelector('#keys-problem').innerText.includes('neither')")
    assert visitor.browser.text("#keys-state") == "not confirmed yet"


def test_a_phone_shows_all_of_it_without_scrolling_sideways(trusting: Visitor) -> None:
    trusting.visit("#entry=300")
    browser = trusting.browser
    browser.devtools("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1, mobile=False)
    try:
        browser.click("#full-hashes")
        assert browser.script("return document.documentElement.scrollWidth <= 360")
        trusting.search("devices/7f3a")
        browser.wait_for("document.querySelector('#find-results .what')")
        width = "return document.querySelector('#find-results .what').getBoundingClientRect().width"
        assert browser.script(width) > 150, "a column of single letters is not read by anybody"
    finally:
        browser.devtools("Emulation.clearDeviceMetricsOverride")
