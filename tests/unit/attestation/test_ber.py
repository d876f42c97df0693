"""Indefinite lengths become definite ones, and nothing else changes."""

import pytest

from attestation import EvidenceError, der
from attestation.ber import definite
from attestation.testing import asn1

END = b"\x00\x00"


def test_definite_elements_stay_as_they_are():
    data = asn1.sequence(asn1.integer(5), asn1.octets(bytes(300)))
    assert definite(data) == data


def test_indefinite_structures_are_closed():
    inner = b"\x30\x80" + asn1.integer(1) + END
    assert definite(b"\xa0\x80" + inner + END) == asn1.explicit(0, asn1.sequence(asn1.integer(1)))


@pytest.mark.parametrize("size", [1, 100, 200, 70_000])
def test_octet_strings_in_pieces_are_joined(size):
    data = b"\x24\x80" + asn1.octets(b"x" * size) + asn1.octets(b"y") + END
    assert der.parse(definite(data)).octets() == b"x" * size + b"y"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x80",
        b"\x30\x80\x00",
        b"\x04\x80" + END,  # a primitive cannot be indefinite
        b"\x3f\x80" + END,
        b"\x30\x80" + END + b"\x00",
        b"\x24\x80" + asn1.integer(1) + END,
        b"\x30\x80" * 18 + END * 18,
        b"\x30\x80" + b"\x05\x00" * 1025 + END,
    ],
)
def test_what_is_not_ber_is_refused(data):
    with pytest.raises(EvidenceError):
        definite(data)
