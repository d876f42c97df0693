"""A virtual Apple: roots, the CA for app keys, a receipt signer; and a virtual app instance with a key of its own.

Usage:
    apple = VirtualApple.create(now=now)
    app = AppInstance.create(apple)
    evidence = app.attest(b"client data")
    assertion = app.sign(b"client data", counter=1)
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.authenticator_data import Flag
from attestation.formats import apple_app_attest
from attestation.formats.apple_assertion import key_id_of
from attestation.formats.apple_attestation_object import PRODUCTION
from attestation.formats.apple_certificate import APP, NONCE, OPERATING_SYSTEM
from attestation.formats.apple_receipt import SIGNER_MARK
from attestation.model import RECEIPT, Anchors, Evidence, Format, TrustAnchor
from attestation.testing import asn1
from attestation.testing.apple_receipt import write_receipt
from attestation.testing.authenticator import (
    Leaf,
    authenticator_data,
    cose_map,
    distinguished_name,
    root_certificate,
    virtual_ca,
    virtual_root,
)
from attestation.testing.certificates import DIGITAL_SIGNATURE, extension, key_usage, spki_of
from attestation.testing.phone import Issuer

SOURCE: Final = "made by attestation.testing, trusted by nobody else"


def new_p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True)
class VirtualApple:
    """What Apple runs. Its roots are not sent along, as Apple's attestation root is not."""

    now: datetime
    root: Issuer
    issuer: Issuer
    receipt_root: Issuer
    receipt_signer: Issuer

    @classmethod
    def create(cls, *, now: datetime) -> Self:
        root, receipt_root = virtual_root("Virtual App Attestation Root"), virtual_root("Virtual Receipt Root")
        receipt_ca = virtual_ca(receipt_root, "Virtual Integration CA", now=now)
        key = new_p256()
        signer = Leaf(
            subject=distinguished_name(common="Virtual Receipt Signing"),
            spki=spki_of(key),
            extensions=(key_usage(DIGITAL_SIGNATURE), extension(SIGNER_MARK, asn1.null())),
            begin=now - timedelta(days=30),
            end=now + timedelta(days=300),
        )
        chain = (*signer.under(receipt_ca), root_certificate(receipt_root, now=now))
        receipt_signer = Issuer(signer.subject, key, chain)
        return cls(now, root, virtual_ca(root, "Virtual App Attestation CA", now=now), receipt_root, receipt_signer)

    @property
    def anchors(self) -> Anchors:
        return Anchors((_anchor("virtual-apple", self.root, "attestation"), self.receipt_anchor))

    @property
    def receipt_anchor(self) -> TrustAnchor:
        return _anchor("virtual-apple-receipts", self.receipt_root, RECEIPT)


def _anchor(name: str, root: Issuer, use: str) -> TrustAnchor:
    formats = frozenset({Format.APPLE_APP_ATTEST})
    return TrustAnchor(name, formats, spki_of(root.key), SOURCE, uses=frozenset({use}))


@dataclass(frozen=True, slots=True, kw_only=True)
class AppState:
    """What a virtual app says when it is attested. The defaults are a good one; None stands for the right value."""

    app_id: str = "ABCDE12345.org.example.virtual"
    aaguid: bytes = PRODUCTION
    counter: int = 0
    fmt: str = "apple-appattest"
    nonce: bytes | None = None
    write_nonce: bool = True
    credential_id: bytes | None = None
    credential_key: ec.EllipticCurvePrivateKey | None = None
    life: timedelta = timedelta(days=300)
    receipt: dict[str, Any] | None = field(default_factory=dict)  # changes to a good receipt; None writes none

    @property
    def rp_id_hash(self) -> bytes:
        return sha256(self.app_id.encode()).digest()


@dataclass(frozen=True, slots=True)
class AppInstance:
    """An app on a virtual device. The private key is here because the device is virtual."""

    apple: VirtualApple
    key: ec.EllipticCurvePrivateKey
    state: AppState

    @classmethod
    def create(cls, apple: VirtualApple, **state: Any) -> Self:
        return cls(apple, new_p256(), AppState(**state))

    def changed(self, **state: Any) -> Self:
        """The same key, attested in another state."""
        return replace(self, state=replace(self.state, **state))

    @property
    def spki(self) -> bytes:
        return spki_of(self.key)

    @property
    def key_id(self) -> bytes:
        return key_id_of(self.spki)

    def attest(self, client_data: bytes, *, assertion: tuple[bytes, bytes] | None = None) -> Evidence:
        """Evidence as an app sends it, with the key id and perhaps an assertion."""
        return apple_app_attest.evidence(self.attestation_object(client_data), key_id=self.key_id, assertion=assertion)

    def attestation_object(self, client_data: bytes) -> bytes:
        data = self.authenticator_data()
        chain = self.chain(sha256(data + sha256(client_data).digest()).digest())
        statement: dict[str, Any] = {"x5c": list(chain)}
        if self.state.receipt is not None:
            statement["receipt"] = self.write_receipt(chain[0], client_data)
        return cbor2.dumps({"fmt": self.state.fmt, "attStmt": statement, "authData": data})

    def authenticator_data(self) -> bytes:
        state = self.state
        return authenticator_data(
            rp_id_hash=state.rp_id_hash,
            flags=Flag.ATTESTED_CREDENTIAL,
            counter=state.counter,
            aaguid=state.aaguid,
            credential_id=self.key_id if state.credential_id is None else state.credential_id,
            key=cose_map(state.credential_key or self.key),
        )

    def chain(self, nonce: bytes) -> tuple[bytes, ...]:
        """Leaf and CA, as Apple issues them."""
        state, now = self.state, self.apple.now
        value = asn1.sequence(asn1.explicit(1, asn1.octets(nonce if state.nonce is None else state.nonce)))
        app = asn1.sequence(asn1.explicit(1204, asn1.octets(state.app_id.encode())))
        versions = asn1.sequence(asn1.explicit(1400, asn1.octets(b"26.1")))
        leaf = Leaf(
            subject=distinguished_name(common=self.key_id.hex(), unit="AAA Certification"),
            spki=self.spki,
            extensions=(
                key_usage(DIGITAL_SIGNATURE),
                extension(APP, app),
                extension(OPERATING_SYSTEM, versions),
                *((extension(NONCE, value),) if state.write_nonce else ()),
            ),
            begin=now - timedelta(days=1),
            end=now + state.life,
        )
        return leaf.under(self.apple.issuer)

    def write_receipt(self, leaf: bytes, client_data: bytes) -> bytes:
        fields = {
            "app_id": self.state.app_id,
            "certificate": leaf,
            "client_data_hash": sha256(client_data).digest(),
            "created_at": self.apple.now,
            **(self.state.receipt or {}),
        }
        return write_receipt(self.apple.receipt_signer, **fields)

    def sign(self, client_data: bytes, *, counter: int) -> bytes:
        """An assertion, as `generateAssertion` makes it. Apple sets the flag for a credential that is not there."""
        data = self.state.rp_id_hash + bytes([Flag.ATTESTED_CREDENTIAL]) + counter.to_bytes(4)
        nonce = sha256(data + sha256(client_data).digest()).digest()
        signature = self.key.sign(nonce, ec.ECDSA(hashes.SHA256()))
        return cbor2.dumps({"signature": signature, "authenticatorData": data})
