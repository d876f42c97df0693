"""PEM text that has to be certificates and nothing else."""

import pytest

from attestation import EvidenceError
from attestation.pem import MAX_PEM_BYTES, pem_certificates

ONE = b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("text", [ONE + ONE, ONE + b"\n" + ONE + b"\0", b" \n" + ONE + ONE.replace(b"\n", b"\r\n")])
def test_blocks_are_read(text: bytes):
    assert pem_certificates(text, at_most=2) == (b"\x30\x00",) * 2


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\0",
        b"x" + ONE,
        ONE + b"x",
        ONE * 3,
        ONE.replace(b"MAA=", b"MAA"),
        ONE.replace(b"MAA=", b"M*A="),
        ONE.replace(b"END", b"EnD"),
        b" " * (MAX_PEM_BYTES + 1),
    ],
)
def test_anything_else_is_refused(text: bytes):
    with pytest.raises(EvidenceError):
        pem_certificates(text, at_most=2)
