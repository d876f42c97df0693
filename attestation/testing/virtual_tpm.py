"""A virtual TPM with EK, AK, registers and a boot log, and the throw-away CA that certified its keys."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final, Self

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from attestation.event_log import Event, EventLog, HashId
from attestation.formats import tpm_parts
from attestation.formats.tpm_chain import AK_CERTIFICATE_USAGE, EK_CERTIFICATE_USAGE, EXTENDED_KEY_USAGE
from attestation.formats.tpm_parts import Registers, tpm_evidence
from attestation.model import Anchors, Evidence, Format, TrustAnchor
from attestation.testing import asn1, tpm_wire
from attestation.testing.certificates import (
    DIGITAL_SIGNATURE,
    CertificateRequest,
    KeyKind,
    PrivateKey,
    extension,
    issue,
    key_usage,
    name,
    new_key,
    spki_of,
)
from attestation.testing.event_log import write_event_log
from attestation.testing.tpm_wire import AttestFields, PublicFields, TpmKey, name_of, sign_structure
from attestation.testing.vendor import VirtualVendor
from attestation.tpm_credential import Credential, kdfa, kdfe
from attestation.tpm_reader import TpmAlgorithm, TpmReader

KEY_AGREEMENT: Final = 4
KEY_ENCIPHERMENT: Final = 2
LEAF_NAME: Final = name(common="Virtual TPM")


@dataclass(frozen=True, slots=True)
class VirtualTpmMaker:
    """A CA for EKs and AKs, under the name of an anchor."""

    ca: VirtualVendor

    @classmethod
    def create(cls, *, now: datetime) -> Self:
        return cls(VirtualVendor.create(now=now, kind=KeyKind.EC_P256))

    def anchors(self, *uses: str, maker: str = "virtual") -> Anchors:
        """Anchors for these uses; none named: for EKs and AKs."""
        anchor = TrustAnchor(
            name=f"{maker}/throw-away",
            formats=frozenset({Format.TPM, Format.AZURE_VTPM}),
            spki=spki_of(self.ca.key),
            source="made by attestation.testing, trusted by nobody else",
            uses=frozenset(uses or ("ak", "ek")),
            common_name="Virtual Attestation Root",
        )
        return Anchors((anchor,))

    def certify(self, spki: bytes, *extensions: bytes, now: datetime, serial: int | None = None) -> bytes:
        request = CertificateRequest(
            subject=LEAF_NAME, spki=spki, not_before=now - timedelta(days=30), not_after=now + timedelta(days=300),
            extensions=extensions, serial=serial,
        )  # fmt: skip
        return issue(request, issuer=self.ca.subject, signer=self.ca.key)


def usage(oid: str) -> bytes:
    """ExtendedKeyUsage with one purpose."""
    return extension(EXTENDED_KEY_USAGE, asn1.sequence(asn1.oid(oid)))


@cache
def rsa_key(number: int = 0) -> rsa.RSAPrivateKey:  # noqa: ARG001 - tells keys apart
    """Cached, because RSA keys take long to make."""
    return rsa.generate_private_key(65537, 2048)


def secure_boot_events(*, enabled: bool = True) -> tuple[Event, ...]:
    """PCR 0 and 7 of a machine with a db of one certificate and a dbx of one image, and separators."""
    owner = bytes.fromhex("61dfe48bca93d211aa0d00e098032b8c")
    database = bytes.fromhex("cbb219d73a3d9645a3bcdad00e67656f")
    x509, sha256 = (
        bytes.fromhex(guid) for guid in ("a159c0a5e494a74a87b5ab155c2bf072", "2616c4c14c509240aca941f936934328")
    )
    variables = (
        _variable(owner, "SecureBoot", bytes([enabled])),
        _variable(database, "db", _signature_list(x509, DB_CERTIFICATE)),
        _variable(database, "dbx", _signature_list(sha256, DBX_IMAGE)),
    )
    measured = (_event(7, 0x80000001, variable) for variable in variables)
    return (_event(0, 8, b"firmware 1.0"), *measured, _event(0, 4, bytes(4)), _event(7, 4, bytes(4)))


DB_CERTIFICATE: Final = b"a certificate that db holds"
DBX_IMAGE: Final = hashlib.sha256(b"a boot loader with a hole").digest()


def _event(index: int, kind: int, data: bytes) -> Event:
    digests = tuple((int(item), hashlib.new(item.hash_name, data).digest()) for item in (HashId.SHA1, HashId.SHA256))
    return Event(index, kind, digests, data)


def _variable(owner: bytes, text: str, value: bytes) -> bytes:
    return owner + len(text).to_bytes(8, "little") + len(value).to_bytes(8, "little") + text.encode("utf-16-le") + value


def _signature_list(kind: bytes, content: bytes) -> bytes:
    sizes = (28 + 16 + len(content), 0, 16 + len(content))
    return kind + b"".join(size.to_bytes(4, "little") for size in sizes) + bytes(16) + content


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualTpm:
    """One chip. `fields` are those of its statements; `ak_fields` those of the AK's public area."""

    maker: VirtualTpmMaker
    ak: TpmKey
    ek: TpmKey
    events: tuple[Event, ...] = field(default_factory=secure_boot_events)
    fields: AttestFields = field(default_factory=AttestFields)
    ak_fields: PublicFields = field(default_factory=lambda: PublicFields(attributes=tpm_wire.AK_ATTRIBUTES))
    bank: HashId = HashId.SHA256

    @classmethod
    def create(cls, maker: VirtualTpmMaker, *, ak: TpmKey | None = None, ek: TpmKey | None = None) -> Self:
        return cls(maker=maker, ak=ak or _ec_key(), ek=ek or _ec_key())

    def changed(self, **fields: Any) -> Self:
        """The chip with other values in its statements."""
        return replace(self, fields=replace(self.fields, **fields))

    def with_ak(self, **fields: Any) -> Self:
        """The chip with an AK of other attributes or algorithms."""
        return replace(self, ak_fields=replace(self.ak_fields, **fields))

    @property
    def ak_public(self) -> bytes:
        return self.ak_fields.write(self.ak)

    @property
    def ek_public(self) -> bytes:
        return PublicFields(attributes=tpm_wire.EK_ATTRIBUTES, scheme_hash=None, storage=True).write(self.ek)

    @property
    def registers(self) -> Registers:
        """PCR 0, 7 and 16 of the bank; 16 is untouched."""
        replayed = EventLog({int(self.bank): self.bank.size}, self.events).replay(self.bank)
        return {self.bank.hash_name: {**replayed, 16: bytes(self.bank.size)}}

    @property
    def event_log(self) -> bytes:
        return write_event_log(self.events, algorithms=(HashId.SHA1, HashId.SHA256))

    def ak_certificate(self, *, now: datetime, serial: int | None = None) -> bytes:
        extensions = (key_usage(DIGITAL_SIGNATURE), usage(AK_CERTIFICATE_USAGE))
        return self.maker.certify(spki_of(self.ak), *extensions, now=now, serial=serial)

    def ek_certificate(self, *, now: datetime, serial: int | None = None) -> bytes:
        bit = KEY_ENCIPHERMENT if isinstance(self.ek, rsa.RSAPrivateKey) else KEY_AGREEMENT
        extensions = (key_usage(bit), usage(EK_CERTIFICATE_USAGE), _device_name())
        return self.maker.certify(spki_of(self.ek), *extensions, now=now, serial=serial)

    def state(self, kind: int, attested: bytes, challenge: bytes) -> tuple[bytes, bytes]:
        """A statement of this TPM and its signature."""
        message = self.fields.write(kind, signer=name_of(self.ak_public), challenge=challenge, attested=attested)
        hash_algorithm = self.ak_fields.scheme_hash or TpmAlgorithm.SHA256
        return message, sign_structure(self.ak, message, hash_algorithm=hash_algorithm)

    def quote(self, challenge: bytes) -> dict[str, bytes]:
        """Single parts of a quote over all registers, with the event log and the AK's name."""
        values = {int(HashId[bank.upper()]): items for bank, items in self.registers.items()}
        hash_name = HashId(self.ak_fields.scheme_hash or TpmAlgorithm.SHA256).hash_name
        message, signature = self.state(tpm_wire.QUOTE, tpm_wire.quote_info(values, hash_name=hash_name), challenge)
        return {
            tpm_parts.ATTEST: message, tpm_parts.SIGNATURE: signature, tpm_parts.AK_PUBLIC: self.ak_public,
            tpm_parts.AK_NAME: name_of(self.ak_public), tpm_parts.EVENT_LOG: self.event_log,
        }  # fmt: skip

    def certify(
        self, key: PrivateKey, challenge: bytes, *, attributes: int = tpm_wire.APP_KEY_ATTRIBUTES
    ) -> dict[str, bytes]:
        """Single parts of a certification of an application's key."""
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        public = PublicFields(attributes=attributes).write(key)
        message, signature = self.state(tpm_wire.CERTIFY, tpm_wire.certify_info(name_of(public)), challenge)
        return {
            tpm_parts.ATTEST: message, tpm_parts.SIGNATURE: signature, tpm_parts.AK_PUBLIC: self.ak_public,
            tpm_parts.CERTIFIED_PUBLIC: public, tpm_parts.CERTIFIED_NAME: name_of(public),
        }  # fmt: skip

    def attest(self, single: Mapping[str, bytes], *, now: datetime) -> Evidence:
        """Evidence from single parts, with registers for a quote, and the AK's certificate."""
        quoted = tpm_parts.CERTIFIED_PUBLIC not in single
        parts = {**single, tpm_parts.AK_CERTIFICATE: self.ak_certificate(now=now)}
        return tpm_evidence(parts, registers=self.registers if quoted else None)

    def activate(self, credential: Credential) -> bytes:
        """TPM2_ActivateCredential for this AK: the secret, or ValueError when it was not made for EK and AK."""
        return open_credential(credential, ek=self.ek, name=name_of(self.ak_public))


def _ec_key() -> ec.EllipticCurvePrivateKey:
    key = new_key(KeyKind.EC_P256)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _device_name() -> bytes:
    given = (("2.23.133.2.1", "id:56495254"), ("2.23.133.2.2", "VTPM"), ("2.23.133.2.3", "id:00010002"))
    relative = (asn1.set_of(asn1.sequence(asn1.oid(kind), asn1.utf8(text))) for kind, text in given)
    names = asn1.sequence(asn1.explicit(4, asn1.sequence(*relative)))
    return extension("2.5.29.17", names, critical=True)


def open_credential(credential: Credential, *, ek: TpmKey, name: bytes) -> bytes:
    """Part 1, 24.4, from the TPM's side, for low-range templates (SHA-256, AES-128)."""
    outer = TpmReader(credential.id_object, name="identity object", at_most=4096)
    inner = TpmReader(outer.sized(at_most=4096), name="identity object", at_most=4096)
    integrity = inner.sized(at_most=64)
    encrypted = inner.rest()
    seed = _open_seed(credential.encrypted_secret[2:], ek)
    key = kdfa("sha256", seed, "INTEGRITY", bits=256)
    if not hmac.compare_digest(hmac.digest(key, encrypted + name, "sha256"), integrity):
        raise ValueError("credential was made for another AK or EK")
    decryptor = Cipher(algorithms.AES(kdfa("sha256", seed, "STORAGE", u=name, bits=128)), CFB(bytes(16))).decryptor()
    return (decryptor.update(encrypted) + decryptor.finalize())[2:]


def _open_seed(encrypted: bytes, ek: TpmKey) -> bytes:
    if isinstance(ek, rsa.RSAPrivateKey):
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), b"IDENTITY\0")
        return ek.decrypt(encrypted, oaep)
    reader = TpmReader(encrypted, name="point", at_most=256)
    x, y = (reader.sized(at_most=66) for _ in range(2))
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ek.curve).public_key()
    mine = ek.public_key().public_numbers().x.to_bytes(len(x))
    return kdfe("sha256", ek.exchange(ec.ECDH(), point), "IDENTITY", u=x, v=mine, bits=256)
