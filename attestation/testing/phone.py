"""A virtual Android phone: real keys, real certificates, real attestation bytes, under a root that nobody trusts.

    vendor = VirtualVendor.create(now=now)
    phone = VirtualPhone.create(vendor, now=now)
    evidence = phone.attest(challenge)          # or phone.generate_key(challenge) to use the key as well

`phone.changed(locked=False)` is the same phone in another state. `attestation.testing.broken` makes wrong evidence.
"""

import secrets
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from attestation.claims import SecurityLevel
from attestation.formats.android_chain import PROVISIONING_INFO
from attestation.formats.android_key_description import KEY_DESCRIPTION
from attestation.model import Evidence
from attestation.policy import Provisioning
from attestation.testing import asn1
from attestation.testing.certificates import (
    DIGITAL_SIGNATURE,
    CertificateRequest,
    KeyKind,
    PrivateKey,
    ca_extensions,
    extension,
    issue,
    key_usage,
    name,
    new_key,
    spki_of,
)
from attestation.testing.key_description import ATTEST_KEY, PhoneState, Tags, write_key_description
from attestation.testing.vendor import TEN_YEARS, VirtualVendor

LEAF_NAME: Final = name(common="Android Keystore Key")
LEAF_BEGIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
LEAF_END: Final = datetime(2048, 1, 1, tzinfo=UTC)

# KeyMint's Algorithm, and the tags that go with it.
_ALGORITHM_TAGS: Final[dict[KeyKind, Tags]] = {
    KeyKind.EC_P256: [(2, asn1.integer(3)), (3, asn1.integer(256)), (10, asn1.integer(1))],
    KeyKind.EC_P384: [(2, asn1.integer(3)), (3, asn1.integer(384)), (10, asn1.integer(2))],
    KeyKind.RSA_2048: [(2, asn1.integer(1)), (3, asn1.integer(2048)), (200, asn1.integer(65537))],
    KeyKind.ML_DSA_65: [(2, asn1.integer(4)), (11, asn1.integer(1))],
}
_LEVEL_NAMES: Final = {SecurityLevel.STRONGBOX: "StrongBox"}


@dataclass(frozen=True, slots=True)
class DeviceKey:
    """A key that the phone made and attested. The private half is here because the phone is virtual."""

    private_key: PrivateKey
    spki: bytes
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA of the chain, or an attested key used as one: name, key, and the certificates from it up to the root."""

    subject: bytes
    key: PrivateKey
    chain: tuple[bytes, ...]

    def issue_ca(
        self, subject: bytes, key: PrivateKey, *, begin: datetime, end: datetime, extensions: tuple[bytes, ...]
    ) -> "Issuer":
        """A CA below this one."""
        request = CertificateRequest(
            subject=subject, spki=spki_of(key), not_before=begin, not_after=end, extensions=extensions
        )
        return Issuer(subject, key, (issue(request, issuer=self.subject, signer=self.key), *self.chain))


@dataclass(frozen=True, slots=True)
class VirtualPhone:
    """A phone with an attestation key of its own. Every attested key is new, as on a real phone, where the challenge
    is fixed when the key is made.
    """

    state: PhoneState
    key_kind: KeyKind
    attester: Issuer

    @classmethod
    def create(
        cls,
        vendor: VirtualVendor,
        *,
        now: datetime,
        provisioning: Provisioning = Provisioning.REMOTE,
        key_kind: KeyKind = KeyKind.EC_P256,
        **state: Any,
    ) -> Self:
        """Make and provision a phone; `state` are fields of PhoneState, such as `locked=False`."""
        phone_state = PhoneState(made_at=now, **state)
        root = Issuer(vendor.subject, vendor.key, (vendor.certificate,))
        level_name = _LEVEL_NAMES.get(phone_state.level, "TEE")
        make = provision_factory if provisioning is Provisioning.FACTORY else provision_remotely
        return cls(phone_state, key_kind, make(root, level_name, now=now))

    def changed(self, **state: Any) -> Self:
        """The phone in another state, with the same attestation key."""
        return replace(self, state=replace(self.state, **state))

    def attest(self, challenge: bytes) -> Evidence:
        """Evidence for a new key."""
        return self.generate_key(challenge).evidence

    def generate_key(self, challenge: bytes) -> DeviceKey:
        """A new key, attested for this challenge (1 to 128 bytes)."""
        key = new_key(self.key_kind)
        leaf = self.leaf(spki_of(key), self.description_extension(challenge))
        return DeviceKey(key, spki_of(key), Evidence.android((leaf, *self.attester.chain)))

    def attest_through_attest_key(self, challenge: bytes) -> Evidence:
        """Evidence whose leaf was signed by an on-device key of purpose ATTEST_KEY."""
        key = new_key(KeyKind.EC_P256)
        own = self.changed(purposes=(ATTEST_KEY,)).description_extension(challenge)
        attest_key = Issuer(LEAF_NAME, key, (self.leaf(spki_of(key), own), *self.attester.chain))
        return replace(self, attester=attest_key).attest(challenge)

    def description_extension(self, challenge: bytes) -> bytes:
        tags = _ALGORITHM_TAGS[self.key_kind]
        return extension(KEY_DESCRIPTION, write_key_description(self.state, challenge, algorithm_tags=tags))

    def leaf(self, spki: bytes, *extensions: bytes, issuer: bytes | None = None) -> bytes:
        """A leaf certificate, dated as KeyMint dates them: without meaning."""
        request = CertificateRequest(
            subject=LEAF_NAME,
            spki=spki,
            not_before=LEAF_BEGIN,
            not_after=LEAF_END,
            extensions=(key_usage(DIGITAL_SIGNATURE), *extensions),
            serial=1,
        )
        return issue(request, issuer=issuer or self.attester.subject, signer=self.attester.key)


def provision_factory(root: Issuer, level_name: str, *, now: datetime) -> Issuer:
    """Two CAs named by serial number and title, as keys burnt in at the factory are; they are long expired."""
    begin, end = now - TEN_YEARS, now - timedelta(days=30)
    issuer = root
    for _ in range(2):
        subject = name(serial=secrets.token_hex(16), title=level_name)
        key = new_key(KeyKind.EC_P256)
        issuer = issuer.issue_ca(subject, key, begin=begin, end=end, extensions=ca_extensions())
    return issuer


def provision_remotely(root: Issuer, level_name: str, *, now: datetime) -> Issuer:
    """Google's shape: Droid CA2, Droid CA3, and a certificate for the device that lives two weeks."""
    far = now + timedelta(days=3000)
    ca2 = root.issue_ca(
        name(common="Droid CA2", organization="Google LLC"), new_key(KeyKind.EC_P384),
        begin=now - timedelta(days=30), end=far, extensions=ca_extensions(path_length=2),
    )  # fmt: skip
    ca3 = ca2.issue_ca(
        name(common="Droid CA3", organization="Google LLC"), new_key(KeyKind.EC_P256),
        begin=now - timedelta(days=10), end=now + timedelta(days=60), extensions=ca_extensions(),
    )  # fmt: skip
    provisioning_info = extension(PROVISIONING_INFO, bytes.fromhex("a2010803677669727475616c"))  # {1: 8, 3: "virtual"}
    return ca3.issue_ca(
        name(common=secrets.token_hex(16), organization=level_name), new_key(KeyKind.EC_P256),
        begin=now - timedelta(days=5), end=now + timedelta(days=9), extensions=(*ca_extensions(), provisioning_info),
    )  # fmt: skip
