"""Virtual Arm devices: attestation keys that their maker endorsed, and tokens with real signatures."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Self

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation.arm_collateral import ArmDevice, ArmEndorsements
from attestation.formats import arm_cca, arm_psa
from attestation.formats.arm_claims import PSA_PROFILE_2, Claim
from attestation.model import Evidence
from attestation.testing.certificates import spki_of
from attestation.testing.cose import sign1

CHALLENGE: Final = sha256(b"challenge of the evidence factory").digest()
IMPLEMENTATION: Final = sha256(b"virtual implementation").digest()
SIGNER: Final = sha256(b"virtual signer").digest()
SOFTWARE: Final = (("BL", "1", sha256(b"boot loader").digest()), ("RoT", "2", sha256(b"root of trust").digest()))
REALM_CHALLENGE: Final = CHALLENGE.ljust(64, b"\0")
RIM: Final = sha256(b"virtual realm").digest()
CONFIG: Final = b"virtual platform configuration"


def new_key(curve: ec.EllipticCurve) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve)


def point(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def components() -> list[dict[int, Any]]:
    return [{1: kind, 2: digest, 4: version, 5: SIGNER} for kind, version, digest in SOFTWARE]


def changed(fields: dict[int, Any], changes: dict[int, Any]) -> bytes:
    """Claims in CBOR; a change to `...` removes one."""
    return cbor2.dumps({key: value for key, value in (fields | changes).items() if value is not ...})


@dataclass(frozen=True, slots=True)
class PsaDevice:
    """A device with an initial attestation key (IAK)."""

    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls) -> Self:
        return cls(new_key(ec.SECP256R1()))

    @property
    def instance_id(self) -> bytes:
        return b"\x01" + sha256(point(self.key)).digest()

    @property
    def endorsements(self) -> ArmEndorsements:
        return ArmEndorsements.of((ArmDevice(self.instance_id, (spki_of(self.key),), IMPLEMENTATION),))

    def claims(self, nonce: bytes = CHALLENGE) -> dict[int, Any]:
        return {
            Claim.PROFILE: PSA_PROFILE_2,
            Claim.NONCE: nonce,
            Claim.INSTANCE_ID: self.instance_id,
            Claim.IMPLEMENTATION_ID: IMPLEMENTATION,
            Claim.LIFECYCLE: 0x3000,
            Claim.CLIENT_ID: 1,
            Claim.SOFTWARE: components(),
        }

    def attest(self, changes: dict[int, Any] | None = None, *, nonce: bytes = CHALLENGE) -> Evidence:
        return arm_psa.evidence(sign1(self.key, changed(self.claims(nonce), changes or {})))

    def attest_profile_1(self, changes: dict[int, Any] | None = None) -> Evidence:
        """A token of PSA_IOT_PROFILE_1, whose claims have numbers of their own."""
        fields = {
            -75000: "PSA_IOT_PROFILE_1",
            -75001: -1,
            -75002: 0x3000,
            -75003: IMPLEMENTATION,
            -75004: bytes(32),
            -75006: components(),
            -75008: CHALLENGE,
            -75009: self.instance_id,
        }
        return arm_psa.evidence(sign1(self.key, changed(fields, changes or {})))


@dataclass(frozen=True, slots=True)
class CcaPlatform:
    """A platform with its key (CPAK) and a realm with its own (RAK)."""

    key: ec.EllipticCurvePrivateKey
    realm_key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls) -> Self:
        return cls(new_key(ec.SECP384R1()), new_key(ec.SECP384R1()))

    @property
    def instance_id(self) -> bytes:
        return b"\x01" + sha256(point(self.key)).digest()

    @property
    def endorsements(self) -> ArmEndorsements:
        return ArmEndorsements.of((ArmDevice(self.instance_id, (spki_of(self.key),), IMPLEMENTATION),))

    @property
    def cose_realm_key(self) -> bytes:
        """The RAK as later profiles write it."""
        numbers = self.realm_key.public_key().public_numbers()
        return cbor2.dumps({1: 2, -1: 2, -2: numbers.x.to_bytes(48), -3: numbers.y.to_bytes(48)})

    def platform_token(self, changes: dict[int, Any] | None = None, *, realm_key: bytes | None = None) -> bytes:
        fields: dict[int, Any] = {
            Claim.PROFILE: "http://arm.com/CCA-SSD/1.0.0",
            Claim.NONCE: sha256(realm_key or point(self.realm_key)).digest(),
            Claim.INSTANCE_ID: self.instance_id,
            Claim.IMPLEMENTATION_ID: IMPLEMENTATION,
            Claim.LIFECYCLE: 0x3000,
            Claim.PLATFORM_CONFIG: CONFIG,
            Claim.PLATFORM_HASH: "sha-256",
            Claim.SOFTWARE: components(),
        }
        return sign1(self.key, changed(fields, changes or {}))

    def realm_token(self, changes: dict[int, Any] | None = None, *, challenge: bytes = REALM_CHALLENGE) -> bytes:
        fields = {
            10: challenge,
            44235: bytes(64),
            44236: "sha-256",
            44237: point(self.realm_key),
            44238: RIM,
            44239: [bytes(32)] * 4,
            44240: "sha-256",
        }
        return sign1(self.realm_key, changed(fields, changes or {}))

    def attest(self, *, platform: bytes | None = None, realm: bytes | None = None, tag: int = 399) -> Evidence:
        collection = {44234: platform or self.platform_token(), 44241: realm or self.realm_token()}
        return arm_cca.evidence(cbor2.dumps(cbor2.CBORTag(tag, collection)))
