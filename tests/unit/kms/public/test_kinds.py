"""What readers and caches are told about each public path."""

import pytest

from kms.public.kinds import kind_of

SHORT = "public, max-age=10"
FIXED = "public, max-age=604800, immutable"


@pytest.mark.parametrize(
    ("path", "media_type", "cache"),
    [
        ("checkpoint", "text/plain; charset=utf-8", "no-store"),
        ("log/checkpoint", "text/plain; charset=utf-8", "no-store"),
        ("tile/0/000", "application/octet-stream", FIXED),
        ("tile/2/x001/x234/067.p/7", "application/octet-stream", FIXED),
        ("log/tile/entries/x001/000.p/255", "application/octet-stream", FIXED),
        ("history/70000", "text/plain; charset=utf-8", FIXED),
        ("history/007", "text/plain; charset=utf-8", "no-cache"),
        ("history.json", "application/json", "no-cache"),
        ("trust/default/bundle-7.json", "application/json", FIXED),
        ("trust/default/latest.json", "application/json", "no-cache"),
        ("verifier-keys", "text/plain; charset=utf-8", "no-cache"),
        ("status/default/manifest.json", "application/json", SHORT),
        ("status/default/manifest.sig", "application/json", SHORT),
        ("status/default/manifest.tlog-proof", "text/plain; charset=utf-8", SHORT),
        ("status/default/lists.json", "application/json", SHORT),
        ("status/default/jwks.json", "application/jwk-set+json", SHORT),
        ("status/default/lists/12.jwt", "application/statuslist+jwt", SHORT),
        ("status/default/lists/12.cwt", "application/statuslist+cwt", SHORT),
        (f"status/default/sets/{'0a' * 32}", "application/octet-stream", FIXED),
        (f"status/default/sets/{'0a' * 32}.sig", "application/octet-stream", FIXED),
        ("status/default/sets/other.json", "application/json", "no-cache"),
        ("page/index.html", "text/html; charset=utf-8", "no-cache"),
        ("file.bin", "application/octet-stream", "no-cache"),
    ],
)
def test_each_path_has_its_kind(path: str, media_type: str, cache: str) -> None:
    kind = kind_of(path)
    assert (kind.media_type, kind.cache_control) == (media_type, cache)
    assert kind.is_immutable == (cache == FIXED)


def test_only_entry_bundles_are_worth_compressing() -> None:
    assert kind_of("tile/entries/000").compress
    assert kind_of("tile/entries/x001/000.p/7").compress
    assert not kind_of("tile/0/000").compress
    assert not kind_of("history.json").compress
