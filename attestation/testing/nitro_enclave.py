"""A virtual Nitro hypervisor: a root, regional and instance CAs with real signatures, and documents of its enclaves."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, Self

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.cose_sign1 import CoseAlgorithm, sig_structure
from attestation.formats.nitro import evidence
from attestation.model import Anchors, Evidence, Format, TrustAnchor
from attestation.testing.certificates import (
    DIGITAL_SIGNATURE,
    CertificateRequest,
    ca_extensions,
    issue,
    key_usage,
    name,
    spki_of,
)

PCRS: Final = {index: bytes([index + 1]) * 48 if index < 5 else bytes(48) for index in range(16)}
TAG_18: Final = b"\xd2"

LEAF_NAME: Final = name(common="virtual.enclave", organization="Throw-away")

_NAMES: Final = ("root", "region", "zone", "instance")


def sign_es384(key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """R and s, 48 octets each (RFC 9053, 2.1)."""
    r, s = decode_dss_signature(key.sign(message, ec.ECDSA(hashes.SHA384())))
    return r.to_bytes(48) + s.to_bytes(48)


@dataclass(frozen=True, slots=True, kw_only=True)
class NitroEnclave:
    """An enclave whose certificate is a minute old and lives three hours."""

    now: datetime
    key: ec.EllipticCurvePrivateKey
    issuer_key: ec.EllipticCurvePrivateKey
    certificate: bytes
    cabundle: tuple[bytes, ...]
    root_spki: bytes
    pcrs: Mapping[int, bytes]

    @classmethod
    def create(cls, *, now: datetime) -> Self:
        keys = [_new_key() for _ in _NAMES]
        bundle = tuple(
            _certificate(index, keys[index], keys[max(index - 1, 0)], now=now) for index in range(len(_NAMES))
        )
        key = _new_key()
        return cls(
            now=now,
            key=key,
            issuer_key=keys[-1],
            certificate=_leaf(spki_of(key), keys[-1], now=now),
            cabundle=bundle,
            root_spki=spki_of(keys[0]),
            pcrs=PCRS,
        )

    @property
    def anchors(self) -> Anchors:
        anchor = TrustAnchor(
            name="virtual-nitro-root",
            formats=frozenset({Format.AWS_NITRO}),
            spki=self.root_spki,
            source="made by attestation.testing, trusted by nobody else",
        )
        return Anchors((anchor,))

    def with_certificate_for(self, spki: bytes, *, issuer: bytes | None = None) -> Self:
        """The enclave with another leaf, issued by its issuer key, perhaps under another name."""
        return replace(self, certificate=_leaf(spki, self.issuer_key, now=self.now, issuer=issuer))

    def document(self, *, nonce: bytes | None, public_key: bytes | None = None, **changed: Any) -> dict[str, Any]:
        """The fields of a document; `changed` replaces some, `...` removes them."""
        fields: dict[str, Any] = {
            "module_id": "i-0123456789abcdef0-enc0123456789abcdef",
            "digest": "SHA384",
            "timestamp": int(self.now.timestamp() * 1000),
            "pcrs": dict(self.pcrs),
            "certificate": self.certificate,
            "cabundle": list(self.cabundle),
            "public_key": public_key,
            "user_data": None,
            "nonce": nonce,
        } | changed
        return {field: value for field, value in fields.items() if value is not ...}

    def sign(
        self, payload: bytes, *, protected: bytes | None = None, unprotected: Mapping[int, bytes] | None = None
    ) -> bytes:
        """A COSE_Sign1 message without its tag, as the hypervisor makes them."""
        headers = cbor2.dumps({1: int(CoseAlgorithm.ES384)}) if protected is None else protected
        signature = sign_es384(self.key, sig_structure(headers, payload))
        return cbor2.dumps([headers, dict(unprotected or {}), payload, signature])

    def attest(self, nonce: bytes | None, **fields: Any) -> Evidence:
        return evidence(self.sign(cbor2.dumps(self.document(nonce=nonce, **fields))))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def _certificate(
    index: int, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, now: datetime
) -> bytes:
    request = CertificateRequest(
        subject=_name(index),
        spki=spki_of(key),
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=20),
        extensions=ca_extensions(path_length=len(_NAMES) - 1 - index),
    )
    return issue(request, issuer=_name(max(index - 1, 0)), signer=signer)


def _leaf(spki: bytes, signer: ec.EllipticCurvePrivateKey, *, now: datetime, issuer: bytes | None = None) -> bytes:
    begin = now - timedelta(minutes=1)
    request = CertificateRequest(
        subject=LEAF_NAME,
        spki=spki,
        not_before=begin,
        not_after=begin + timedelta(hours=3),
        extensions=(key_usage(DIGITAL_SIGNATURE),),
    )
    return issue(request, issuer=issuer or _name(len(_NAMES) - 1), signer=signer)


def _name(index: int) -> bytes:
    return name(common=f"virtual-{_NAMES[index]}.nitro-enclaves", organization="Throw-away")
