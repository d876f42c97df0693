"""The page in a real browser, against the real HTTP server over a folder that a test may alter."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kms.public.http import PublicServer, public_app
from web.browser import Browser, chromedriver, missing_program, new_browser
from web.published_log import PublishedLog
from web.visitor import SIZE, Visitor


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One for all tests. What it remembers is by origin, so every visitor forgets theirs first."""
    missing = missing_program()
    if missing is not None:
        pytest.skip(f"{missing} is not installed")
    with chromedriver() as driver, new_browser(driver, tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    """Serves a folder until the test ends; answers its URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[PublicServer] = []

    def start(folder: Path) -> str:
        servers.append(PublicServer(public_app(folder, kept_bytes_max=0)))
        return asyncio.run_coroutine_threadsafe(servers[-1].start(), loop).result()

    yield start
    for server in servers:
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def visitor(browser: Browser, serve: Callable[[Path], str], tmp_path: Path) -> Visitor:
    """Before a log that has `SIZE` entries."""
    log = PublishedLog(tmp_path / "public")
    someone = Visitor(browser, log, serve(tmp_path / "public"))
    someone.forget()
    someone.publish(SIZE)
    return someone


@pytest.fixture
def trusting(visitor: Visitor) -> Visitor:
    """Has confirmed the log's keys and seen it once."""
    visitor.visit()
    visitor.trust(visitor.log.signer.vkeys)
    visitor.browser.wait_for("document.querySelector('.banner.good')")
    return visitor
