"""From bytes to collateral: parsed, and verified against anchors before it counts. Pure: time and anchors come in.

A list that anybody can put in the place of a good one would hide revocations, so what a vendor signs is checked here
and not only by the judges, and what does not verify changes nothing.
"""

from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time
from hashlib import sha256
from typing import Final, assert_never

import cbor2

from attestation.arm_collateral import parse_arm_devices
from attestation.crl import Crl, parse_crl, signed_by
from attestation.errors import CollateralError, EvidenceError
from attestation.fido_metadata import parse_metadata
from attestation.formats.intel_endorsements import check_authority
from attestation.intel_collateral import CollateralPieces, parse_intel_collateral
from attestation.model import METADATA, Anchors, Format
from attestation.pem import pem_certificates
from attestation.status import parse_status_list
from attestation.trust_path import find_path
from attestation.x509 import COMMON_NAME, Name, parse_certificate
from kms.collateral.endorsed_keys import read_tpm_keys
from kms.collateral.model import Archived, CollateralKind, Reading

CRL_BEGIN: Final = b"-----BEGIN X509 CRL-----"
CRL_END: Final = b"-----END X509 CRL-----"
ISSUERS_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Delivery:
    """Bytes as they came, when they were fetched, the anchors of whoever they are for, and a label where one is due."""

    data: bytes
    fetched_at: datetime
    anchors: Anchors
    label: str = ""


def read_collateral(kind: CollateralKind, delivery: Delivery) -> Reading:
    """Raises CollateralError, whatever the bytes."""
    return _READERS[kind](delivery)


def restore(kind: CollateralKind, data: bytes, *, fetched_at: datetime) -> object:
    """The value of a piece from the archive. What was verified when it came is not verified again here; judges do.

    Raises CollateralError.
    """
    match kind:
        case CollateralKind.ANDROID_STATUS:
            return parse_status_list(data, fetched_at=fetched_at)
        case CollateralKind.AMD_CRL | CollateralKind.TPM_CRL | CollateralKind.NVIDIA_CRL:
            return parse_crl(data)
        case CollateralKind.INTEL_TCB:
            return parse_intel_collateral(CollateralPieces(*cbor2.loads(data)))
        case CollateralKind.FIDO_METADATA:
            return parse_metadata(data)
        case CollateralKind.TPM_KEYS:
            return read_tpm_keys(data)
        case CollateralKind.ARM_DEVICES:
            return parse_arm_devices(data)
        case _:
            assert_never(kind)


VALUE_KINDS: Final[dict[CollateralKind, str]] = {
    CollateralKind.ANDROID_STATUS: "StatusList",
    CollateralKind.AMD_CRL: "Crl",
    CollateralKind.TPM_CRL: "Crl",
    CollateralKind.NVIDIA_CRL: "Crl",
    CollateralKind.INTEL_TCB: "IntelCollateral",
    CollateralKind.FIDO_METADATA: "FidoMetadata",
    CollateralKind.TPM_KEYS: "TpmKeys",
    CollateralKind.ARM_DEVICES: "ArmEndorsements",
}
"""How the archive calls what a kind is made of."""


def _android_status(delivery: Delivery) -> Reading:
    """Google signs nothing: the list is as good as the way it came."""
    status = parse_status_list(delivery.data, fetched_at=delivery.fetched_at)
    return Reading(
        kind=CollateralKind.ANDROID_STATUS,
        key="",
        value=status,
        archived=Archived("StatusList", status.sha256, delivery.data),
    )


def _amd_crl(delivery: Delivery) -> Reading:
    """DER, signed by the root (ARK) of a product line, whose anchor is found by the issuer's name. Two roots may bear
    one name; each has its own list on the shelf.
    """
    crl = parse_crl(delivery.data)
    issuer = crl.issuer.get(COMMON_NAME)
    roots = [item for item in delivery.anchors.for_format(Format.AMD_SEV_SNP) if item.common_name == issuer]
    signer = next((anchor for anchor in roots if signed_by([crl], anchor.spki)[0]), None)
    if signer is None:
        raise CollateralError(f"CRL of {issuer}: no trust anchor of AMD SEV-SNP with this name signed it")
    return _crl_reading(CollateralKind.AMD_CRL, f"{issuer}/{_key_mark(signer.spki)}", crl, delivery.data)


def _tpm_crl(delivery: Delivery) -> Reading:
    return _chained_crl(CollateralKind.TPM_CRL, Format.TPM, delivery)


def _nvidia_crl(delivery: Delivery) -> Reading:
    return _chained_crl(CollateralKind.NVIDIA_CRL, Format.NVIDIA_GPU, delivery)


def _chained_crl(kind: CollateralKind, form: Format, delivery: Delivery) -> Reading:
    """PEM: the CRL, then the certificate of the CA that signed it and those above it, up to an anchor for the format
    (whose own certificate may be left out).
    """
    der, chain_text = _split_pem(delivery.data)
    crl = parse_crl(der)
    anchors = delivery.anchors.for_format(form)
    try:
        issuers = tuple(map(parse_certificate, pem_certificates(chain_text, at_most=ISSUERS_MAX)))
        path = find_path(issuers, anchors, at=delivery.fetched_at, leaf_may_be_anchor=True)
        if problem := next(iter((*path.findings, *path.dates)), None):
            raise CollateralError(f"issuer of the CRL: {problem.detail}")
        if issuers[0].subject != crl.issuer or not issuers[0].may_sign_crls():
            raise CollateralError("the first certificate is not that of the CA that issued the CRL")
        crl.check_signature(issuers[0].spki)
    except EvidenceError as error:
        raise CollateralError(f"CRL: {error.detail}") from error
    return _crl_reading(kind, f"{_key_of(crl.issuer)}/{_key_mark(issuers[0].spki)}", crl, der)


def _intel_tcb(delivery: Delivery) -> Reading:
    """The JSON object in which tools pass Intel's collateral on (CollateralPieces.from_bundle)."""
    pieces = CollateralPieces.from_bundle(delivery.data)
    found = parse_intel_collateral(pieces)
    anchors = (*delivery.anchors.for_format(Format.INTEL_SGX), *delivery.anchors.for_format(Format.INTEL_TDX))
    if problem := next(iter(check_authority(found, anchors, at=delivery.fetched_at)), None):
        raise CollateralError(problem.detail)
    info, identity, lists = found.tcb_info, found.qe_identity, (found.pck_crl, found.root_ca_crl)
    texts = (info.validity, identity.validity)
    issued = (*(text.issued for text in texts), *(crl.this_update for crl in lists))
    ends = (*(text.next_update for text in texts), *(crl.next_update for crl in lists if crl.next_update))
    return Reading(
        kind=CollateralKind.INTEL_TCB,
        key=intel_key(info.id, info.fmspc, found.pck_crl.issuer.get(COMMON_NAME) or ""),
        value=found,
        archived=Archived(
            "IntelCollateral", found.sha256, cbor2.dumps([getattr(pieces, piece.name) for piece in fields(pieces)])
        ),
        version=(*(text.evaluation_number for text in texts), *map(_seconds, issued)),
        issue_time=max(issued),
        next_update=min(ends),
    )


def intel_key(tee: str, fmspc: bytes, pck_ca: str) -> str:
    """For which platforms Intel's collateral is: SGX or TDX, family (6 bytes), common name of the PCK CA."""
    return f"{tee}/{fmspc.hex()}/{pck_ca}"


def _fido_metadata(delivery: Delivery) -> Reading:
    """The BLOB of the FIDO Metadata Service, signed under an anchor whose uses name "metadata"."""
    found = parse_metadata(delivery.data)
    path = find_path(found.signer_chain, delivery.anchors.for_use(Format.WEBAUTHN, METADATA), at=delivery.fetched_at)
    if problem := next(iter((*path.findings, *path.dates)), None):
        raise CollateralError(f"signer of the FIDO metadata: {problem.detail}")
    return Reading(
        kind=CollateralKind.FIDO_METADATA,
        key="",
        value=found,
        archived=Archived("FidoMetadata", found.sha256, delivery.data),
        version=(found.number,),
        next_update=datetime.combine(found.next_update, time.max, tzinfo=UTC),
    )


def _tpm_keys(delivery: Delivery) -> Reading:
    return _endorsement(CollateralKind.TPM_KEYS, read_tpm_keys(delivery.data), delivery)


def _arm_devices(delivery: Delivery) -> Reading:
    return _endorsement(CollateralKind.ARM_DEVICES, parse_arm_devices(delivery.data), delivery)


_READERS: Final[dict[CollateralKind, Callable[[Delivery], Reading]]] = {
    CollateralKind.ANDROID_STATUS: _android_status,
    CollateralKind.AMD_CRL: _amd_crl,
    CollateralKind.INTEL_TCB: _intel_tcb,
    CollateralKind.TPM_CRL: _tpm_crl,
    CollateralKind.NVIDIA_CRL: _nvidia_crl,
    CollateralKind.FIDO_METADATA: _fido_metadata,
    CollateralKind.TPM_KEYS: _tpm_keys,
    CollateralKind.ARM_DEVICES: _arm_devices,
}


def _crl_reading(kind: CollateralKind, key: str, crl: Crl, der: bytes) -> Reading:
    return Reading(
        kind=kind,
        key=key,
        value=crl,
        archived=Archived("Crl", crl.sha256, der),
        version=(_seconds(crl.this_update),),
        issue_time=crl.this_update,
        next_update=crl.next_update,
    )


def _endorsement(kind: CollateralKind, value: object, delivery: Delivery) -> Reading:
    digest = sha256(delivery.data).hexdigest()
    archived = Archived(VALUE_KINDS[kind], digest, delivery.data)
    return Reading(kind=kind, key=delivery.label, value=value, archived=archived)


def _split_pem(data: bytes) -> tuple[bytes, bytes]:
    """The DER of the CRL, and the certificates that follow it."""
    begin, middle, rest = data.partition(CRL_BEGIN)
    body, end, chain = rest.partition(CRL_END)
    if begin.strip() or not middle or not end:
        raise CollateralError('not PEM: a block "X509 CRL", then the certificates of its issuers')
    try:
        return b64decode(b"".join(body.split()), validate=True), chain
    except Base64Error as error:
        raise CollateralError("the PEM block of the CRL is not Base64") from error


def _key_of(issuer: Name) -> str:
    """A CA by its whole name: makers have several of one common name."""
    pieces = (piece for kind, value in issuer.attributes for piece in (kind.encode(), value))
    parts = b"".join(len(piece).to_bytes(4) + piece for piece in pieces)
    common = "".join(mark if mark.isalnum() else "-" for mark in issuer.get(COMMON_NAME) or "")[:80]
    return f"{common}/{sha256(parts).hexdigest()[:16]}"


def _key_mark(spki: bytes) -> str:
    """Which key signed a list: what `anchors list` shows of it."""
    return sha256(spki).hexdigest()[:16]


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
