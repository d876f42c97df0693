"""Which collateral the judge of a piece of evidence reads: no more, so that verdicts name only what they rest on."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from attestation.amd_collateral import AmdCollateral
from attestation.arm_collateral import INSTANCE_ID_BYTES, ArmDevice, ArmEndorsements
from attestation.crl import Crl
from attestation.errors import EvidenceError
from attestation.fido_metadata import FidoMetadata
from attestation.formats import intel
from attestation.formats.azure_vtpm import TD_QUOTE
from attestation.intel_collateral import IntelCollateral
from attestation.model import Collateral, Evidence
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.status import StatusList
from attestation.tpm_collateral import TpmCollateral
from kms.collateral.model import READ_BY, CollateralItem, CollateralKind
from kms.collateral.readers import intel_key

T = TypeVar("T")
_UEID_RANDOM = 0x01


@dataclass(frozen=True, slots=True)
class Held:
    """A piece in force and its parsed value."""

    item: CollateralItem
    value: object


Pieces = Callable[[CollateralKind], Mapping[str, Held]]


def select(evidence: Evidence, pieces: Pieces) -> Collateral:
    """What is not read by the format, or not there, is None."""

    def read(kind: CollateralKind) -> Mapping[str, Held]:
        return pieces(kind) if evidence.format in READ_BY[kind] else {}

    amd = _values(read(CollateralKind.AMD_CRL), Crl)
    nvidia = _values(read(CollateralKind.NVIDIA_CRL), Crl)
    return Collateral(
        android_status=_only(read(CollateralKind.ANDROID_STATUS), StatusList),
        amd=AmdCollateral(amd) if amd else None,
        intel=_intel(evidence, read(CollateralKind.INTEL_TCB)),
        tpm=_tpm(_values(read(CollateralKind.TPM_CRL), Crl), _values(read(CollateralKind.TPM_KEYS), TpmCollateral)),
        fido_metadata=_only(read(CollateralKind.FIDO_METADATA), FidoMetadata),
        arm=_arm(evidence, _values(read(CollateralKind.ARM_DEVICES), ArmEndorsements)),
        nvidia=NvidiaCollateral(nvidia) if nvidia else None,
    )


def _values(held: Mapping[str, Held], kind: type[T]) -> tuple[T, ...]:
    return tuple(found.value for _, found in sorted(held.items()) if isinstance(found.value, kind))


def _only(held: Mapping[str, Held], kind: type[T]) -> T | None:
    return next(iter(_values(held, kind)), None)


def _intel(evidence: Evidence, held: Mapping[str, Held]) -> IntelCollateral | None:
    """That of the platform which the quote names; nothing is authenticated here, the judge does it."""
    quote = next(iter((*evidence.named(intel.QUOTE), *evidence.named(TD_QUOTE))), None)
    if quote is None or not held:
        return None
    try:
        wanted = intel.collateral_key(quote)
    except EvidenceError:
        return None
    found = held.get(intel_key(str(wanted.tee), bytes.fromhex(wanted.fmspc), wanted.pck_ca))
    return found.value if found is not None and isinstance(found.value, IntelCollateral) else None


def _tpm(crls: tuple[Crl, ...], endorsed: tuple[TpmCollateral, ...]) -> TpmCollateral | None:
    if not crls and not endorsed:
        return None
    nothing = frozenset[bytes]()
    return TpmCollateral(
        enrolled_names=nothing.union(*(found.enrolled_names for found in endorsed)),
        enrolled_keys=nothing.union(*(found.enrolled_keys for found in endorsed)),
        enrolled_certificates=nothing.union(*(found.enrolled_certificates for found in endorsed)),
        crls=crls,
    )


def _arm(evidence: Evidence, endorsed: tuple[ArmEndorsements, ...]) -> ArmEndorsements | None:
    """Of the instances whose ids stand in the evidence: a maker's list is long, and a token names one. Where two lists
    endorse one instance the first counts.
    """
    if not endorsed:
        return None
    named = set(_instance_ids(part.data for part in evidence.parts))
    found: dict[bytes, ArmDevice] = {}
    for devices in endorsed:
        for device in devices.devices:
            if device.instance_id in named:
                found.setdefault(device.instance_id, device)
    return ArmEndorsements(tuple(found.values()))


def _instance_ids(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Whatever could be one: an identifier (RFC 9711, 4.2.1) begins with its type."""
    for data in parts:
        for start in range(len(data) - INSTANCE_ID_BYTES + 1):
            if data[start] == _UEID_RANDOM:
                yield data[start : start + INSTANCE_ID_BYTES]
