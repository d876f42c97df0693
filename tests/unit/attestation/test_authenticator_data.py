"""Authenticator data fills its bytes exactly, whatever its flags promise."""

import cbor2
import pytest

from attestation import EvidenceError
from attestation.authenticator_data import Flag, parse_assertion_data, parse_authenticator_data
from attestation.testing.authenticator import authenticator_data

KEY = {1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}
GOOD = authenticator_data(
    rp_id_hash=bytes(32), flags=Flag.USER_PRESENT, counter=258, aaguid=b"a" * 16, credential_id=b"id", key=KEY
)


def test_all_fields_are_read():
    found = parse_authenticator_data(GOOD)
    assert (found.counter, found.extensions, found.raw) == (258, None, GOOD)
    assert found.flags == Flag.USER_PRESENT | Flag.ATTESTED_CREDENTIAL
    assert (found.credential.aaguid, found.credential.credential_id) == (b"a" * 16, b"id")
    assert found.credential.public_key == KEY


def test_extensions_stand_behind_the_key():
    data = GOOD[:32] + bytes([GOOD[32] | Flag.EXTENSIONS]) + GOOD[33:] + cbor2.dumps({"credProtect": 2})
    assert parse_authenticator_data(data).extensions == {"credProtect": 2}


def test_reserved_flags_are_let_through():
    data = GOOD[:32] + bytes([GOOD[32] | 0x22]) + GOOD[33:]
    assert parse_authenticator_data(data).credential is not None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:36],
        GOOD[:-1],
        GOOD + b"\x00",
        GOOD[:32] + bytes([GOOD[32] | Flag.EXTENSIONS]) + GOOD[33:],  # promised, absent
        GOOD[:32] + bytes([GOOD[32] | Flag.EXTENSIONS]) + GOOD[33:] + cbor2.dumps([1]),
        GOOD[:32] + b"\x01" + GOOD[33:],  # a credential without its flag
        GOOD[:53] + b"\x00\x00" + GOOD[57:],  # empty credential id
        GOOD[:53] + b"\x04\x00" + bytes(1024) + GOOD[57:],  # longer than 1023 bytes
        bytes(32) + b"\x01" + bytes(20_000),
    ],
)
def test_what_does_not_fill_its_bytes_is_refused(data):
    with pytest.raises(EvidenceError):
        parse_authenticator_data(data)


def test_assertion_data_is_the_header_alone():
    assert parse_assertion_data(bytes(32) + b"\x40" + (7).to_bytes(4)).counter == 7
    for size in (36, 38):
        with pytest.raises(EvidenceError):
            parse_assertion_data(bytes(size))
