"""Arrays and maps without a length (RFC 8949, 3.2.2): only on request, and only these two."""

import cbor2
import pytest

from attestation import EvidenceError, cbor

ACCEPTED = ["9fff", "bfff", "9f0102ff", "bf0102ff", "9f9f01ff820203ff", "bf6161bf0102ff6162f6ff"]
REFUSED = ["9f", "9f01", "bf01ff", "bf01", "ff", "5f4101ff", "7f6161ff", "9fffff", "bf01020103ff", "df01ff", "1f"]


@pytest.mark.parametrize("text", ACCEPTED)
def test_read_on_request(text):
    data = bytes.fromhex(text)
    expected = cbor2.loads(data)
    found = cbor.decode(data, indefinite=True)
    assert cbor2.dumps(found) == cbor2.dumps(expected)
    with pytest.raises(EvidenceError):
        cbor.decode(data)


@pytest.mark.parametrize("text", REFUSED)
def test_refused(text):
    with pytest.raises(EvidenceError):
        cbor.decode(bytes.fromhex(text), indefinite=True)


def test_bounds_hold():
    with pytest.raises(EvidenceError, match="deep"):
        cbor.decode(b"\x9f" * 40 + b"\xff" * 40, indefinite=True)
    with pytest.raises(EvidenceError, match="too many"):
        cbor.decode(b"\x9f" + b"\0" * cbor.MAX_ITEMS + b"\xff", indefinite=True)
