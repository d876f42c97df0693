"""The page of the running service, over its own log."""

import time
import urllib.request

from support.service import RunningService
from web.browser import Browser


def test_the_service_shows_its_log(service: RunningService, browser: Browser) -> None:
    wait_for_entries(service.facts["public_url"])
    browser.console_errors()  # of earlier tests
    browser.open(f"{service.facts['public_url']}/#entry=0")
    browser.wait_for("document.body.dataset.ready")
    assert browser.text("#verdict h2") == "Signed, by keys you have not confirmed"
    browser.click("#keys-confirm")
    browser.wait_for("document.querySelector('.banner.good')")
    browser.wait_for("document.querySelector('#entry-body .badge.good')")
    assert browser.text("#entry-body .badge") == "✓ Proved to be in the log"
    browser.click("#history-verify")
    browser.wait_for("document.querySelector('#history-progress .badge.good')")
    assert browser.console_errors() == []


def wait_for_entries(url: str) -> None:
    """What the service does at its start is in the log a moment later."""
    deadline = time.monotonic() + 20
    while urllib.request.urlopen(f"{url}/checkpoint", timeout=5).read().split(b"\n")[1] == b"0":
        assert time.monotonic() < deadline, "the log stays empty"
        time.sleep(0.1)
