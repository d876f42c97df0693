"""A phone that attests, in memory: real X.509 under the fake's own root, and the judge who reads it.

The evidence has the shape of Android Key Attestation: a chain whose leaf carries the KeyDescription extension
(source.android.com/docs/security/features/keystore/attestation). The judge looks at signatures, root, challenge, key
and bootloader; the service looks at far more.
"""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hallmark_client.testing import der

KEY_DESCRIPTION: Final = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.1.17")
_ROOT_OF_TRUST: Final = bytes.fromhex("bf8540")
"""[704] EXPLICIT, in the list that the secure hardware vouches for."""
_LIFE: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the judge found. key_spki: of the attested key; empty unless authentic."""

    authentic: bool
    appraised: bool
    reasons: tuple[str, ...]
    detail: str
    key_spki: bytes


class DeviceRoot:
    """The authority of virtual devices; only the fake it belongs to knows it."""

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self.issue("Fake attestation root", self._key.public_key())

    def issue(
        self, name: str, key: ec.EllipticCurvePublicKey, extension: x509.ExtensionType | None = None
    ) -> x509.Certificate:
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fake attestation root")])
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(issuer)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _LIFE)
            .not_valid_after(self._now + _LIFE)
        )
        if extension is not None:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(self._key, hashes.SHA256())


class VirtualDevice:
    """One key in one phone. bootloader_locked: an unlocked one is authentic and still not appraised."""

    def __init__(self, root: DeviceRoot, *, bootloader_locked: bool = True) -> None:
        self._root = root
        self._locked = bootloader_locked
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def key_spki(self) -> bytes:
        """The attested key, SubjectPublicKeyInfo in DER."""
        return _spki(self._key.public_key())

    def attest(self, challenge: bytes) -> tuple[bytes, ...]:
        """Evidence over a challenge: certificates in DER, leaf first."""
        extension = x509.UnrecognizedExtension(KEY_DESCRIPTION, _key_description(challenge, locked=self._locked))
        leaf = self._root.issue("Android Keystore Key", self._key.public_key(), extension)
        return tuple(each.public_bytes(serialization.Encoding.DER) for each in (leaf, self._root.certificate))


def judge(certificates: Sequence[bytes], *, root: DeviceRoot, challenge: bytes, key_spki: bytes) -> Judgement:
    """1. parse  2. chain to the root  3. challenge  4. key  5. bootloader. Never raises, whatever the bytes."""
    try:
        chain = [x509.load_der_x509_certificate(each) for each in certificates]
        description = chain[0].extensions.get_extension_for_oid(KEY_DESCRIPTION).value.public_bytes()
        attested, locked = _read_key_description(description)
        spki = _spki(chain[0].public_key())
    except (ValueError, IndexError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension):
        return _refused("MALFORMED", "the evidence is not a chain with a key description in its leaf")
    if chain[-1] != root.certificate:
        return _refused("UNTRUSTED_ROOT", "the chain does not end in the root of this fake")
    try:
        for certificate, issuer in pairwise(chain):
            certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return _refused("BAD_SIGNATURE", "a certificate was not signed by the next one")
    if not hmac.compare_digest(attested, challenge):
        return _refused("CHALLENGE_MISMATCH", "the evidence was made for another challenge")
    if key_spki and not hmac.compare_digest(spki, key_spki):
        return _refused("KEY_MISMATCH", "the evidence attests another key")
    if not locked:
        reasons, detail = ("UNLOCKED_BOOTLOADER",), "the bootloader is unlocked"
        return Judgement(authentic=True, appraised=False, reasons=reasons, detail=detail, key_spki=spki)
    detail = "the evidence is genuine and satisfies the policy"
    return Judgement(authentic=True, appraised=True, reasons=(), detail=detail, key_spki=spki)


def _refused(reason: str, detail: str) -> Judgement:
    return Judgement(authentic=False, appraised=False, reasons=(reason,), detail=detail, key_spki=b"")


def _spki(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("not an EC key")  # noqa: TRY004 - the judge's one word for malformed
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _key_description(challenge: bytes, *, locked: bool) -> bytes:
    version, level = der.encode(der.INTEGER, b"\x01\x2c"), der.encode(der.ENUMERATED, b"\x01")
    root_of_trust = der.encode(
        der.SEQUENCE,
        der.encode(der.OCTET_STRING, bytes(32)),
        der.encode(der.BOOLEAN, b"\xff" if locked else b"\x00"),
        der.encode(der.ENUMERATED, b"\x00" if locked else b"\x02"),
    )
    hardware = der.encode(der.SEQUENCE, der.encode(_ROOT_OF_TRUST, root_of_trust))
    unique_id, software = der.encode(der.OCTET_STRING), der.encode(der.SEQUENCE)
    fields = (version, level, version, level, der.encode(der.OCTET_STRING, challenge), unique_id, software, hardware)
    return der.encode(der.SEQUENCE, *fields)


def _read_key_description(data: bytes) -> tuple[bytes, bool]:
    """(challenge, is the bootloader locked). Raises ValueError or IndexError."""
    fields = der.decode(der.decode(data)[0][1])
    found = [content for tag, content in der.decode(fields[7][1]) if tag == _ROOT_OF_TRUST]
    root_of_trust = der.decode(der.decode(found[0])[0][1])
    return fields[4][1], root_of_trust[1][1] == b"\xff"
