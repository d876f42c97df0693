"""Evidence of the factories with one bit changed: it never stays authentic, wherever the bit is."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from attestation import Evidence, Format, verify_case
from attestation.testing import FACTORIES

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
STRIDES = {Format.ARM_PSA: 1, Format.ARM_CCA: 3, Format.NVIDIA_GPU: 17, Format.SOFTWARE: 29}


@pytest.mark.parametrize("form", STRIDES)
def test_flipped_bits(form):
    case = next(iter(FACTORIES[form].good(NOW))).case
    for index, part in enumerate(case.evidence.parts):
        for octet in range(0, len(part.data), STRIDES[form]):
            changed = bytearray(part.data)
            changed[octet] ^= 1 << (octet % 8)
            parts = (
                *case.evidence.parts[:index],
                replace(part, data=bytes(changed)),
                *case.evidence.parts[index + 1 :],
            )
            verdict = verify_case(replace(case, evidence=Evidence(form, parts)))
            assert not verdict.authentic, (part.name, octet)
            assert verdict.reasons
