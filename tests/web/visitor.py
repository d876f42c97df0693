"""A person who looks at a log in a browser."""

import time

from web.browser import Browser
from web.published_log import LogSigner, PublishedLog, make_entry

SIZE = 600
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
ENTRIES = [make_entry(index) for index in range(SIZE + 20)]
ENTRIES[300] = make_entry(300, note=HOSTILE, reviewer="ünïcode", turned="\u202egnp.exe")
ENTRIES[301] = b'{"subject":"tenants/acme/keys/a","subject":"tenants/acme/keys/b","type":"key.used"}'


class Visitor:
    """A person with a browser, and the log they look at."""

    def __init__(self, browser: Browser, log: PublishedLog, url: str) -> None:
        self.browser, self.log, self.url = browser, log, url

    def publish(self, size: int, *, entries: list[bytes] = ENTRIES, history: bool = False) -> None:
        self.log.publish(entries[:size], timestamp=int(time.time()) - 60, history=history)

    def forget(self) -> None:
        """What the browser keeps of this origin: an earlier log may have had the same port."""
        self.browser.open("about:blank")
        self.browser.devtools("Storage.clearDataForOrigin", origin=self.url, storageTypes="all")

    def visit(self, fragment: str = "") -> str:
        """Opens the page anew, with an empty HTTP cache; answers the title of the verdict."""
        self.browser.open("about:blank")
        self.browser.devtools("Network.clearBrowserCache")
        self.browser.console_errors()
        self.browser.open(f"{self.url}/{fragment}")
        self.browser.wait_for("document.body.dataset.ready")
        return self.browser.text("#verdict h2")

    def trust(self, text: str) -> None:
        self.browser.script(
            "document.querySelector('#keys').open = true; document.querySelector('#keys-text').value = arguments[0]",
            text,
        )
        self.browser.click("#keys-form button")
        self.browser.wait_for("document.querySelector('#keys-state').textContent === 'confirmed by you'")

    def search(self, text: str) -> None:
        self.browser.script("document.querySelector('#find-text').value = ''")
        self.browser.type("#find-text", f"{text}\n")

    def signature_states(self) -> list[str]:
        """Of the lines under the newest checkpoint, then of keys that should have signed."""
        return self.browser.script(
            "return [...document.querySelectorAll('#newest tbody tr')].map(row => row.querySelector('.badge').innerText)"
        )

    def wait_for_entry(self, title: str) -> str:
        """Answers the verdict on the entry."""
        self.browser.wait_for("document.querySelector('#entry-title').textContent === arguments[0]", title)
        self.browser.wait_for("document.querySelector('#entry-body .verdict-line')")
        return self.browser.text("#entry-body .badge")


def policy_of(signer: LogSigner) -> str:
    logs = f"log {signer.ed25519}\nlog {signer.mldsa}\n"
    return f"{logs}witness one {signer.witness} https://w1.example\ngroup all-of-them all one\nquorum all-of-them\n"
