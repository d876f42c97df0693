"""What all rows of the TPM folder have in common: when they are judged, register values, the challenge."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attestation.formats.tpm_parts import Registers
from attestation.model import Expectation
from attestation.samples.row_values import hex_octets, row_time
from attestation.samples.sample import Row

_NO_REGISTER: Final = 99
_NO_CHALLENGE: Final = Expectation(b"no challenge was given")  # of files that name an empty one


def sample_time(row: Row) -> datetime:
    return row_time(row)


def registers(document: Mapping[str, Any]) -> Registers:
    return {
        bank: {_index(index): hex_octets(value) for index, value in values.items()}
        for bank, values in document.get("pcrs", {}).items()
    }


def _index(text: str) -> int:
    """What is no number names a register that no TPM has."""
    return int(text) if text.isascii() and text.isdigit() else _NO_REGISTER


def expectation(document: Mapping[str, Any]) -> Expectation:
    challenge = hex_octets(document.get("expected_nonce_hex", ""))
    return Expectation(challenge) if challenge else _NO_CHALLENGE
