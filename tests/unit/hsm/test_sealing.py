import hashlib

import pytest

from hsm.errors import InvalidRequest
from hsm.sealing import associated_data


def test_the_layout_is_fixed() -> None:
    """Seeds sealed by one version must open in the next: these bytes never change under this name."""
    aad = associated_data(kek_id=b"K" * 16, algorithm="ML-DSA-44", public_key=b"pk", key_binding=b"tenant/key/1")
    expected = b"hallmark-seal-v1"
    for field in (b"AES-256-GCM", b"K" * 16, b"ML-DSA-44", hashlib.sha256(b"pk").digest(), b"tenant/key/1"):
        expected += len(field).to_bytes(4, "big") + field
    assert aad == expected


def test_a_binding_that_is_too_long_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="4096"):
        associated_data(kek_id=b"", algorithm="", public_key=b"", key_binding=bytes(4097))
