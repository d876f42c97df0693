"""Collateral from files, each known by its content: what someone at a command line has at hand.

    found = read_collateral_files([CollateralFile(data, "milan.crl", fetched_at)], evidence)

Google's status list: JSON with "entries". Intel's collateral: JSON with "tcb_info" (CollateralPieces.from_bundle). FIDO
metadata: the signed JWT. CRLs of AMD, NVIDIA and makers of TPMs: DER or PEM; each format uses those that its issuers
signed. Arm devices: JSON with "arm_devices", or an unsigned CoRIM, which may bring reference values, too. A public key
in PEM: the enrolled key of the TPM or Arm device that the evidence is from.

Nothing here says that a file is genuine; the judges verify what is signed.
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from attestation.amd_collateral import AmdCollateral
from attestation.arm_collateral import ArmDevice, ArmEndorsements, parse_arm_devices
from attestation.corim import parse_corim
from attestation.crl import Crl, parse_crl
from attestation.errors import CollateralError, EvidenceError
from attestation.fido_metadata import FidoMetadata, parse_metadata
from attestation.formats.arm_claims import instance_id_of
from attestation.formats.arm_psa import TOKEN
from attestation.formats.arm_realm import split_collection
from attestation.formats.arm_token import open_token
from attestation.intel_collateral import CollateralPieces, IntelCollateral, parse_intel_collateral
from attestation.model import Collateral, Evidence, Format
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.policy_arm import RealmReference, SoftwareReference
from attestation.status import StatusList, parse_status_list
from attestation.tpm_collateral import TpmCollateral

MAX_FILE_BYTES: Final = 64 * 1024 * 1024

_PEM_CRL: Final = re.compile(rb"-----BEGIN X509 CRL-----([A-Za-z0-9+/=\s]+)-----END X509 CRL-----")
_CORIM: Final = (b"\xd9\x01\xf5", b"\xd2\x84", b"\x84")  # tag 501; COSE_Sign1
_ARM: Final = frozenset({Format.ARM_PSA, Format.ARM_CCA})


@dataclass(frozen=True, slots=True)
class CollateralFile:
    """The bytes of a file, its name for messages, and when it was fetched."""

    data: bytes
    name: str
    fetched_at: datetime


@dataclass(frozen=True, slots=True)
class FoundCollateral:
    """Collateral, and the reference values that came with it, which belong into a policy."""

    collateral: Collateral
    software: tuple[SoftwareReference, ...]
    realms: tuple[RealmReference, ...]


@dataclass(slots=True)
class _Heap:
    """What was read so far."""

    status: StatusList | None = None
    intel: IntelCollateral | None = None
    metadata: FidoMetadata | None = None
    crls: list[Crl] = field(default_factory=list)
    devices: list[ArmDevice] = field(default_factory=list)
    keys: set[bytes] = field(default_factory=set)
    software: list[SoftwareReference] = field(default_factory=list)
    realms: list[RealmReference] = field(default_factory=list)


def read_collateral_files(files: Iterable[CollateralFile], evidence: Evidence) -> FoundCollateral:
    """Sort files for this evidence. CollateralError names the file that is none of the above, or not well formed."""
    heap = _Heap()
    for file in files:
        try:
            _read(file, heap)
        except (CollateralError, EvidenceError) as error:
            raise CollateralError(f"{file.name}: {error}") from error
    crls = tuple(heap.crls)
    keys = frozenset(heap.keys)
    collateral = Collateral(
        android_status=heap.status,
        amd=AmdCollateral(crls) if crls else None,
        intel=heap.intel,
        tpm=TpmCollateral(enrolled_keys=keys, crls=crls) if crls or keys else None,
        fido_metadata=heap.metadata,
        arm=_arm(heap, evidence),
        nvidia=NvidiaCollateral(crls) if crls else None,
    )
    return FoundCollateral(collateral, tuple(heap.software), tuple(heap.realms))


def _read(file: CollateralFile, heap: _Heap) -> None:
    data = file.data
    if len(data) > MAX_FILE_BYTES:
        raise CollateralError(f"{len(data)} bytes, at most {MAX_FILE_BYTES}")
    if data.lstrip()[:1] == b"{":
        _read_json(file, heap)
    elif data.count(b".") == 2 and data[:2] == b"ey":
        heap.metadata = parse_metadata(data)
    elif b"-----BEGIN X509 CRL-----" in data[:4096]:
        heap.crls += [parse_crl(b64decode(b"".join(block.split()))) for block in _PEM_CRL.findall(data)]
    elif b"-----BEGIN PUBLIC KEY-----" in data[:4096]:
        heap.keys.add(_public_key(data))
    elif data[:1] == b"\x30":
        heap.crls.append(parse_crl(data))
    elif data.startswith(_CORIM):
        found = parse_corim(data)
        heap.devices += found.devices
        heap.software += found.software
        heap.realms += found.realms
    else:
        raise CollateralError("not collateral of a kind that is known here")


def _read_json(file: CollateralFile, heap: _Heap) -> None:
    if b'"arm_devices"' in file.data:
        heap.devices += parse_arm_devices(file.data).devices
    elif b'"tcb_info"' in file.data:
        heap.intel = parse_intel_collateral(CollateralPieces.from_bundle(file.data))
    else:
        heap.status = parse_status_list(file.data, fetched_at=file.fetched_at)


def _public_key(data: bytes) -> bytes:
    try:
        return load_pem_public_key(data).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # cryptography raises several kinds for foreign bytes
        raise CollateralError("not a public key in PEM") from error


def _arm(heap: _Heap, evidence: Evidence) -> ArmEndorsements | None:
    """A key by itself names no instance: whoever gives it says that it is the key of this device."""
    devices = list(heap.devices)
    if heap.keys and evidence.format in _ARM:
        try:
            token = evidence.named(TOKEN)[0]
            token = split_collection(token)[0] if evidence.format is Format.ARM_CCA else token
            devices.append(ArmDevice(instance_id_of(open_token(token).payload), tuple(sorted(heap.keys))))
        except (EvidenceError, IndexError):
            return ArmEndorsements.of(devices) if devices else None
    return ArmEndorsements.of(devices) if devices else None
