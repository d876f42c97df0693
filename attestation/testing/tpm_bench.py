"""What the makers of broken TPM evidence work with: a good TPM, and cases that differ from a good one in one thing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from attestation.case import Case
from attestation.event_log import Event
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import tpm_evidence
from attestation.model import Evidence, Expectation
from attestation.policy_tpm import TpmPolicy
from attestation.reasons import Reason
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.tpm import CHALLENGE, good_case, ruled
from attestation.testing.virtual_tpm import VirtualTpm, secure_boot_events

EVENTS: Final = secure_boot_events()


@dataclass(frozen=True, slots=True)
class Bench:
    """A good TPM as of a time."""

    tpm: VirtualTpm
    now: datetime

    def case(self, tpm: VirtualTpm | None = None) -> Case:
        return good_case(tpm or self.tpm, now=self.now)

    def another(self) -> VirtualTpm:
        """Another TPM of the same maker."""
        return VirtualTpm.create(self.tpm.maker)

    def quoting(self, changes: Mapping[str, bytes], *, without: str = "") -> Case:
        """A quote with other single parts, and with a certificate of the AK unless they bring one."""
        single = {
            **self.tpm.quote(CHALLENGE),
            tpm_parts.AK_CERTIFICATE: self.tpm.ak_certificate(now=self.now),
            **changes,
        }
        single.pop(without, None)
        return replace(self.case(), evidence=tpm_evidence(single, registers=self.tpm.registers))

    def uncertified(self) -> Evidence:
        return self.quoting({}, without=tpm_parts.AK_CERTIFICATE).evidence

    def with_log(self, events: tuple[Event, ...]) -> Case:
        """A quote beside the log of another boot."""
        return self.quoting({tpm_parts.EVENT_LOG: replace(self.tpm, events=events).event_log})


Maker = Callable[[Bench], Case]
Table = dict[str, tuple[Reason, Maker]]


def made_by(change: Callable[[VirtualTpm], VirtualTpm]) -> Maker:
    """Everything right, but for what the TPM itself is."""
    return lambda bench: bench.case(change(bench.tpm))


def changed(part: str, change: Callable[[bytes], bytes]) -> Maker:
    """A quote with one part changed."""
    return lambda bench: bench.quoting({part: change(bench.tpm.quote(CHALLENGE)[part])})


def without(part: str) -> Maker:
    return lambda bench: bench.quoting({}, without=part)


def expecting(challenge: bytes, spki: bytes | None = None) -> Maker:
    return lambda bench: replace(bench.case(), expectation=Expectation(challenge, spki))


def policy(**rules: Any) -> Maker:
    return lambda bench: ruled(bench.case(), TpmPolicy(**rules))


def new_ec_key() -> ec.EllipticCurvePrivateKey:
    key = new_key(KeyKind.EC_P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def new_spki() -> bytes:
    """Some key that nobody attested."""
    return spki_of(new_ec_key())
