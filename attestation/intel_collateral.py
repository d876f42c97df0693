"""Intel's endorsements for one family of platforms, as its Provisioning Certification Service (PCS, version 4) or a
cache of it (PCCS) gives them out: TCB info, identity of the quoting enclave, CRL of the PCK CA and of the root, and the
chains of certificates of those who signed them.

Everything is public and signed by Intel; the judge checks that against the caller's anchors, so it does not matter who
fetched it. Freshness is what the pieces say themselves.
"""

import json
import re
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import Any, Final, Self
from urllib.parse import unquote_to_bytes

from attestation.crl import Crl, parse_crl
from attestation.errors import CollateralError, EvidenceError
from attestation.intel_tcb import QeIdentity, TcbInfo, parse_qe_identity, parse_tcb_info
from attestation.pem import pem_certificates
from attestation.x509 import Certificate, parse_certificate

MAX_BUNDLE_BYTES: Final = 4 * 1024 * 1024
SIGNATURE_BYTES: Final = 64  # r and s of ECDSA on P-256

_MAX_CHAIN: Final = 4
# The signed text is cut out of a PCS answer as it stands: written anew, its signature would not fit.
_SIGNED_ANSWER: Final = re.compile(
    rb'\s*\{\s*"(?:tcbInfo|enclaveIdentity)"\s*:\s*(\{.*\})\s*,\s*"signature"\s*:\s*"([0-9A-Fa-f]{128})"\s*\}\s*',
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class CollateralPieces:
    """The bytes that were given out. Texts and signatures (64 bytes, r and s) as signed, chains as PEM, CRLs as DER."""

    tcb_info: bytes
    tcb_info_signature: bytes
    tcb_info_chain: bytes
    qe_identity: bytes
    qe_identity_signature: bytes
    qe_identity_chain: bytes
    pck_crl: bytes
    pck_crl_chain: bytes
    root_ca_crl: bytes

    @classmethod
    def from_bundle(cls, data: bytes) -> Self:
        """Read the JSON object in which tools pass collateral on: the PCS texts as strings (`tcb_info`,
        `tcb_info_signature`, `tcb_info_issuer_chain`, the same for `qe_identity`, `pck_crl`, `pck_crl_issuer_chain`,
        `root_ca_crl`), signatures and CRLs in hex. CollateralError says what is wrong with it.
        """
        bundle = _bundle(data)
        return cls(
            tcb_info=_text(bundle, "tcb_info"),
            tcb_info_signature=_hex(bundle, "tcb_info_signature"),
            tcb_info_chain=_text(bundle, "tcb_info_issuer_chain"),
            qe_identity=_text(bundle, "qe_identity"),
            qe_identity_signature=_hex(bundle, "qe_identity_signature"),
            qe_identity_chain=_text(bundle, "qe_identity_issuer_chain"),
            pck_crl=_hex(bundle, "pck_crl"),
            pck_crl_chain=_text(bundle, "pck_crl_issuer_chain"),
            root_ca_crl=_hex(bundle, "root_ca_crl"),
        )

    @classmethod
    def from_pcs(
        cls,
        *,
        tcb_info: bytes,
        tcb_info_chain: bytes,
        qe_identity: bytes,
        qe_identity_chain: bytes,
        pck_crl: bytes,
        pck_crl_chain: bytes,
        root_ca_crl: bytes,
    ) -> Self:
        """Put together the bodies of PCS answers. The chains are the headers TCB-Info-Issuer-Chain,
        SGX-Enclave-Identity-Issuer-Chain and SGX-PCK-CRL-Issuer-Chain, percent-encoded or not; CRLs are DER.
        """
        info_text, info_signature = _signed_text(tcb_info)
        identity_text, identity_signature = _signed_text(qe_identity)
        return cls(
            info_text,
            info_signature,
            _decoded(tcb_info_chain),
            identity_text,
            identity_signature,
            _decoded(qe_identity_chain),
            pck_crl,
            _decoded(pck_crl_chain),
            root_ca_crl,
        )

    @property
    def sha256(self) -> str:
        """Digest of all pieces, each after its length in 8 octets, big endian."""
        state = sha256()
        for item in fields(self):
            piece: bytes = getattr(self, item.name)
            state.update(len(piece).to_bytes(8) + piece)
        return state.hexdigest()


@dataclass(frozen=True, slots=True)
class IntelCollateral:
    """The pieces and what they say. Nothing here is believed before its signature was checked."""

    pieces: CollateralPieces = field(repr=False)
    tcb_info: TcbInfo
    tcb_info_chain: tuple[Certificate, ...]
    qe_identity: QeIdentity
    qe_identity_chain: tuple[Certificate, ...]
    pck_crl: Crl
    pck_crl_chain: tuple[Certificate, ...]
    root_ca_crl: Crl
    sha256: str


def parse_intel_collateral(pieces: CollateralPieces) -> IntelCollateral:
    """Read every piece within its bounds; CollateralError says which one is wrong and how."""
    for signature in (pieces.tcb_info_signature, pieces.qe_identity_signature):
        if len(signature) != SIGNATURE_BYTES:
            raise CollateralError(f"signature of {len(signature)} bytes, not {SIGNATURE_BYTES}")
    return IntelCollateral(
        pieces=pieces,
        tcb_info=parse_tcb_info(pieces.tcb_info),
        tcb_info_chain=_chain(pieces.tcb_info_chain, "TCB info"),
        qe_identity=parse_qe_identity(pieces.qe_identity),
        qe_identity_chain=_chain(pieces.qe_identity_chain, "enclave identity"),
        pck_crl=parse_crl(pieces.pck_crl),
        pck_crl_chain=_chain(pieces.pck_crl_chain, "PCK CRL"),
        root_ca_crl=parse_crl(pieces.root_ca_crl),
        sha256=pieces.sha256,
    )


def _chain(text: bytes, what: str) -> tuple[Certificate, ...]:
    try:
        return tuple(map(parse_certificate, pem_certificates(text, at_most=_MAX_CHAIN)))
    except EvidenceError as error:
        raise CollateralError(f"issuer chain of {what}: {error.detail}") from error


def _signed_text(answer: bytes) -> tuple[bytes, bytes]:
    found = _SIGNED_ANSWER.fullmatch(answer) if len(answer) <= MAX_BUNDLE_BYTES else None
    if found is None:
        raise CollateralError("PCS answer is not a text and its signature")
    return found[1], bytes.fromhex(found[2].decode())


def _decoded(header: bytes) -> bytes:
    return unquote_to_bytes(header) if b"%" in header else header


def _bundle(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BUNDLE_BYTES:
        raise CollateralError(f"collateral of {len(data)} bytes, at most {MAX_BUNDLE_BYTES}")
    try:
        bundle = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CollateralError("collateral is not JSON") from error
    if not isinstance(bundle, dict):
        raise CollateralError("collateral is not a JSON object")
    return bundle


def _text(bundle: dict[str, Any], name: str) -> bytes:
    value = bundle.get(name)
    if not isinstance(value, str):
        raise CollateralError(f"collateral has no text {name}")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise CollateralError(f"{name} is not Unicode text") from error


def _hex(bundle: dict[str, Any], name: str) -> bytes:
    try:
        return bytes.fromhex(_text(bundle, name).decode())
    except ValueError as error:
        raise CollateralError(f"{name} is not hex") from error
