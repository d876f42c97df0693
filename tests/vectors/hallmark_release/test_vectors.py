"""A release that was published once: every later version must verify and open it, byte for byte."""

import json
from datetime import datetime
from pathlib import Path

import pytest

from hallmark_release import FolderSource, ReleaseTrust, open_part, verify_parts, verify_release
from hallmark_release.bundle import MEDIA_TYPE, parse_bundle
from hallmark_release.errors import MetadataExpired

HERE = Path(__file__).parent / "v1"
EXPECTED = json.loads((HERE / "expected.json").read_text())
NOW = datetime.fromisoformat(EXPECTED["now"])


def test_the_release() -> None:
    source = FolderSource(HERE / "repository")
    release = verify_release(source, EXPECTED["model"], ReleaseTrust.load(HERE / "trust"), now=NOW, minimum_epoch=3)
    assert verify_parts(source, release).parts == len(EXPECTED["files"])
    assert (release.index.release.epoch, release.index.release.minimum_epoch) == (3, 2)
    key = bytes.fromhex(EXPECTED["content_key"])
    for signed in release.statement.files:
        part = release.index.part(signed.path)
        plaintext = bytearray()
        with (HERE / "repository" / part.location).open("rb") as encrypted:
            context = release.index.context(part)
            open_part(part, signed, encrypted=encrypted, key=key, context=context, sink=plaintext.extend)
        assert plaintext.hex() == EXPECTED["files"][signed.path]


def test_what_is_written_today_has_the_same_spelling() -> None:
    """Statement, index and context from their values: equal to the bytes of then."""
    release = verify_release(
        FolderSource(HERE / "repository"), EXPECTED["model"], ReleaseTrust.load(HERE / "trust"), now=NOW
    )
    (index,) = (HERE / "repository/targets" / EXPECTED["model"]).glob("*.index.json")
    (bundle,) = (HERE / "repository/targets" / EXPECTED["model"]).glob("*.model.sig")
    assert release.index.data == index.read_bytes()
    assert release.statement.payload == parse_bundle(bundle.read_bytes(), media_type=MEDIA_TYPE).envelope.payload
    part = release.index.part("config.json")
    assert release.index.context(part) == (
        b'{"epoch":3,"model":"example-7b","part":"config.json","release":"%b","tenant":"default"}'
        % release.index.release_id.encode()
    )


def test_it_is_old_today() -> None:
    with pytest.raises(MetadataExpired):
        verify_release(
            FolderSource(HERE / "repository"),
            EXPECTED["model"],
            ReleaseTrust.load(HERE / "trust"),
            now=NOW.replace(year=NOW.year + 1),
        )
