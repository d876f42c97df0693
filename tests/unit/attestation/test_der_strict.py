"""Departures from DER, and padding behind a certificate."""

import pytest

from attestation import EvidenceError
from attestation.der_strict import trim_padding, why_not_der
from attestation.testing import asn1

GOOD = asn1.sequence(asn1.integer(5), asn1.set_of(asn1.utf8("b"), asn1.utf8("a")), asn1.boolean(True))


def test_der():
    assert why_not_der(GOOD) is None


@pytest.mark.parametrize(
    "data",
    [
        GOOD + b"\0",
        b"\x30\x81" + GOOD[1:],
        asn1.sequence(b"\x02\x02\x00\x05"),
        asn1.sequence(b"\x01\x01\x01"),
        asn1.tlv(0x31, asn1.utf8("b") + asn1.utf8("a")),
        GOOD[:-1],
    ],
    ids=["tail", "long length", "padded integer", "boolean", "set order", "cut"],
)
def test_departures(data):
    assert why_not_der(data)


@pytest.mark.parametrize("padding", [b"", b"\xff" * 40, b"\0" * 40])
def test_padding_is_trimmed(padding):
    assert trim_padding(GOOD + padding) == GOOD


@pytest.mark.parametrize("tail", [b"x", b"\xff\0", b"\0\xff"])
def test_other_tails_are_refused(tail):
    with pytest.raises(EvidenceError):
        trim_padding(GOOD + tail)
