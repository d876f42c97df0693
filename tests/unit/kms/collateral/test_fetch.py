"""Getting bytes: from a real file and a real HTTP server on this machine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kms.collateral import fetch
from kms.collateral.fetch import FetchFailed, check_source, read_file, read_url
from unit.kms.collateral.site import Site, serving

LIST = "x" * 100


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        site.body = LIST.encode()
        yield site


@pytest.mark.parametrize(
    "source", ["http://example.org/status", "ftp://127.0.0.1/x", "file:///etc/passwd", "https://", "http://10.0.0.1/"]
)
def test_sources_that_are_not_allowed(source: str) -> None:
    with pytest.raises(ValueError, match="must be a file"):
        check_source(source)


@pytest.mark.parametrize(
    "source", ["/etc/list.json", "list.json", "https://example.org/x", "http://localhost:1/", "http://[::1]/x"]
)
def test_sources_that_are_allowed(source: str) -> None:
    assert check_source(source) == source


def test_a_redirect_to_a_weaker_place_is_refused(site: Site) -> None:
    site.status, site.headers = 302, {"Location": "http://example.org/status"}
    with pytest.raises(FetchFailed, match="not allowed"):
        read_url(site.url)


def test_a_redirect_on_this_machine_is_followed(site: Site) -> None:
    with serving() as other:
        other.status, other.headers = 302, {"Location": site.url}
        assert read_url(other.url) == LIST.encode()


def test_a_list_that_is_too_large(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "BYTES_MAX", len(LIST) - 1)
    with pytest.raises(FetchFailed, match="larger than"):
        read_url(site.url)
    file = tmp_path / "list.json"
    file.write_text(LIST)
    with pytest.raises(FetchFailed, match="larger than"):
        read_file(file)


def test_a_server_that_trickles(site: Site) -> None:
    site.pause_seconds = 0.1
    with pytest.raises(FetchFailed):
        read_url(site.url, timeout_seconds=0.25)


def test_nobody_listens() -> None:
    with serving() as site:
        pass
    with pytest.raises(FetchFailed, match="can not be fetched"):
        read_url(site.url, timeout_seconds=1)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FetchFailed, match="can not be read"):
        read_file(tmp_path / "missing.json")
