"""Values of rows that are not written as they should be are handed on to the judge, not raised."""

from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attestation.samples.row_values import base64_octets, certificates_in, hex_octets, known_claims, row_time
from attestation.samples.sample import Folder


def test_both_alphabets_with_and_without_padding():
    data = bytes(range(0xF0, 0x100)) + b"\0"
    for text in (b64encode(data).decode(), urlsafe_b64encode(data).decode()):
        assert base64_octets(text) == base64_octets(text.rstrip("=")) == data


@pytest.mark.parametrize("text", ["A", "AAAAA"])
def test_text_that_is_no_base64_stays_as_it_is(text):
    assert base64_octets(text) == text.encode()


def test_text_that_is_no_hex_stays_as_it_is():
    assert hex_octets("00ff") == b"\0\xff"
    assert hex_octets("0") == b"0"


def test_files_without_certificates_are_one_that_cannot_be_read():
    assert certificates_in(b"hello") == (b"hello",)


def test_a_time_without_zone_is_utc():
    assert row_time({"verify_at": "2026-01-01T00:00:00"}) == datetime(2026, 1, 1, tzinfo=UTC)


def test_claims_of_the_row_it_came_from_stand_behind_its_own():
    rows = {"good": {"claims": {"nonce": "aa", "pcr": 1}}}
    folder = Folder(Path(), rows)
    assert known_claims({"claims": {"base": "good", "nonce": "bb"}}, folder) == {
        "base": "good",
        "nonce": "bb",
        "pcr": 1,
    }
    assert known_claims({"claims": {"base": "gone"}}, folder) == {"base": "gone"}
    assert known_claims({}, folder) == {}
