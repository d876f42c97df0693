"""A virtual NVIDIA GPU: a root, CAs, a chip and its firmware with real signatures, and reports of its measurements."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha384
from typing import Final, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from attestation.formats import nvidia_certificate as oids
from attestation.formats.nvidia_gpu import evidence
from attestation.formats.nvidia_spdm import OpaqueField
from attestation.model import Anchors, Evidence, Format, TrustAnchor
from attestation.nvidia_collateral import NvidiaCollateral
from attestation.testing import asn1
from attestation.testing.certificates import (
    DIGITAL_SIGNATURE,
    CertificateRequest,
    ca_extensions,
    extension,
    issue,
    key_usage,
    name,
    spki_of,
)
from attestation.testing.crl import CrlRequest, issue_crl

FIRMWARE: Final = sha384(b"virtual firmware").digest()
MEASUREMENTS: Final = {index: sha384(bytes([index])).digest() for index in (1, 2, 3, 9)}
FIELDS: Final = {
    OpaqueField.DRIVER_VERSION: b"550.90.07\0",
    OpaqueField.VBIOS_VERSION: bytes.fromhex("009f009601000000"),
    OpaqueField.BOARD_ID: bytes(4),
    OpaqueField.PROJECT: b"1010\0",
    OpaqueField.FIRMWARE_ID: FIRMWARE,
}
LEAF_SERIAL: Final = 0x1234
ISSUER_SERIAL: Final = 0x5678

_NAMES: Final = ("Device Identity CA", "GH000 Identity", "GH000 Provisioner", "GH000 BROM")
_YEARS: Final = timedelta(days=20 * 365)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualGpu:
    """`chain` is leaf first, root last. `ca_keys` begin with the root's."""

    now: datetime
    key: ec.EllipticCurvePrivateKey
    ca_keys: tuple[ec.EllipticCurvePrivateKey, ...]
    chain: tuple[bytes, ...]

    @classmethod
    def create(cls, *, now: datetime) -> Self:
        keys = tuple(new_key() for _ in _NAMES)
        authorities = [_ca(index, keys[index], keys[max(index - 1, 0)], now=now) for index in range(len(_NAMES))]
        key = new_key()
        leaf = leaf_certificate(spki_of(key), keys[-1], now=now)
        return cls(now=now, key=key, ca_keys=keys, chain=(leaf, *reversed(authorities)))

    @property
    def anchors(self) -> Anchors:
        return Anchors(
            (
                TrustAnchor(
                    name="virtual-gpu-root",
                    formats=frozenset({Format.NVIDIA_GPU}),
                    is_root=True,
                    spki=spki_of(self.ca_keys[0]),
                    source="made by attestation.testing, trusted by nobody else",
                ),
            )
        )

    def collateral(
        self, *revoked: int, level: int = 1, signer: int | None = None, age: timedelta = timedelta(hours=1)
    ) -> NvidiaCollateral:
        """The CRL of the CA at this level (0: the root), perhaps signed by another one's key."""
        request = CrlRequest(
            issuer=ca_name(level),
            this_update=self.now - age,
            next_update=self.now - age + timedelta(days=7),
            revoked=dict.fromkeys(revoked, self.now - timedelta(days=1)),
        )
        return NvidiaCollateral.parse([issue_crl(request, signer=self.ca_keys[level if signer is None else signer])])

    def with_leaf(self, spki: bytes, *, signer: int = -1, firmware: bytes | None = FIRMWARE) -> Self:
        """The GPU with another certificate of its firmware."""
        leaf = leaf_certificate(spki, self.ca_keys[signer], now=self.now, firmware=firmware)
        return replace(self, chain=(leaf, *self.chain[1:]))

    def attest(self, nonce: bytes, *, report: bytes | None = None) -> Evidence:
        return evidence(self.report(nonce) if report is None else report, self.chain)

    def report(
        self,
        nonce: bytes,
        *,
        measurements: dict[int, bytes] | None = None,
        fields: dict[int, bytes] | None = None,
        request: bytes = b"\x11\xe0\x01\xff",
        response: bytes = b"\x11\x60\x00\x00",
    ) -> bytes:
        """Request and signed response."""
        blocks = [block(index, value) for index, value in (measurements or MEASUREMENTS).items()]
        opaque = b"".join(_field(kind, value) for kind, value in (FIELDS if fields is None else fields).items())
        return self.sign(request + nonce + b"\0" + response + body(blocks, opaque))

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self.key.sign(message, ec.ECDSA(hashes.SHA384())))
        return message + r.to_bytes(48) + s.to_bytes(48)


def body(blocks: list[bytes], opaque: bytes) -> bytes:
    """Of the response, from the number of blocks to the opaque data."""
    record = b"".join(blocks)
    size = len(record).to_bytes(3, "little")
    return bytes([len(blocks)]) + size + record + bytes(32) + len(opaque).to_bytes(2, "little") + opaque


def block(index: int, value: bytes, *, specification: int = 1) -> bytes:
    inner = b"\x01" + len(value).to_bytes(2, "little") + value
    return bytes([index, specification]) + len(inner).to_bytes(2, "little") + inner


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP384R1())


def ca_name(index: int) -> bytes:
    return name(common=_NAMES[index], organization="Throw-away")


def _field(kind: int, value: bytes) -> bytes:
    return kind.to_bytes(2, "little") + len(value).to_bytes(2, "little") + value


def _ca(index: int, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, now: datetime) -> bytes:
    request = CertificateRequest(
        subject=ca_name(index),
        spki=spki_of(key),
        not_before=now - timedelta(days=30),
        not_after=now + _YEARS,
        extensions=ca_extensions(),
        serial=ISSUER_SERIAL + index,
    )
    return issue(request, issuer=ca_name(max(index - 1, 0)), signer=signer)


LEAF_NAME: Final = name(common="GH000 FMC", organization="Throw-away")


def leaf_certificate(
    spki: bytes,
    signer: ec.EllipticCurvePrivateKey,
    *,
    now: datetime,
    issuer: bytes | None = None,
    firmware: bytes | None = FIRMWARE,
) -> bytes:
    """A certificate of firmware on a chip named NVIDIA:GH000:0123."""
    device = asn1.sequence(
        asn1.tlv(0xA0, asn1.oid("1.3.6.1.4.1.412.274.1") + asn1.explicit(0, asn1.utf8("NVIDIA:GH000:0123")))
    )
    extensions = [key_usage(DIGITAL_SIGNATURE), extension(oids.SUBJECT_ALTERNATIVE_NAME, device)]
    if firmware is not None:
        digest = asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.2"), asn1.octets(firmware))
        extensions.append(extension(oids.FIRMWARE_ID, asn1.sequence(asn1.integer(1), spki, digest)))
    request = CertificateRequest(
        subject=LEAF_NAME,
        spki=spki,
        not_before=now - timedelta(days=30),
        not_after=now + _YEARS,
        extensions=tuple(extensions),
        serial=LEAF_SERIAL,
    )
    return issue(request, issuer=issuer or ca_name(len(_NAMES) - 1), signer=signer)
