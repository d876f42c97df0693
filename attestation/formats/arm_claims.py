"""Claims of Arm's attestation tokens: PSA (RFC 9783) and the platform part of CCA (RMM specification, A7.2).

Three profiles of PSA are read. PSA_IOT_PROFILE_1 has claims of its own (-75000 and below), and may leave out the
profile itself; http://arm.com/psa/2.0.0 and tag:psacertified.org,2023:psa#tfm share one set. Claims that are not known
are signed like the rest and passed over.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from attestation import cbor
from attestation.cbor import CborKey, CborValue
from attestation.errors import EvidenceError
from attestation.policy_arm import Lifecycle
from attestation.reasons import Reason

PSA_PROFILE_1: Final = "PSA_IOT_PROFILE_1"
PSA_PROFILE_2: Final = "http://arm.com/psa/2.0.0"
PSA_PROFILES: Final = frozenset({PSA_PROFILE_2, "tag:psacertified.org,2023:psa#tfm"})
CCA_PLATFORM_PROFILES: Final = frozenset({"http://arm.com/CCA-SSD/1.0.0", "tag:arm.com,2023:cca_platform#1.0.0"})

MAX_COMPONENTS: Final = 64
HASH_BYTES: Final = frozenset({32, 48, 64})
UEID_RAND: Final = 0x01

Fields = dict[CborKey, CborValue]

_LIFECYCLES: Final = {
    0x00: Lifecycle.UNKNOWN,
    0x10: Lifecycle.ASSEMBLY_AND_TEST,
    0x20: Lifecycle.ROT_PROVISIONING,
    0x30: Lifecycle.SECURED,
    0x40: Lifecycle.NON_ROT_DEBUG,
    0x50: Lifecycle.RECOVERABLE_ROT_DEBUG,
    0x60: Lifecycle.DECOMMISSIONED,
}


class Claim(IntEnum):
    """Claim keys (RFC 9783, table 1; the last two are CCA's)."""

    NONCE = 10
    INSTANCE_ID = 256
    PROFILE = 265
    CLIENT_ID = 2394
    LIFECYCLE = 2395
    IMPLEMENTATION_ID = 2396
    BOOT_SEED = 2397
    CERTIFICATION = 2398
    SOFTWARE = 2399
    VERIFICATION_SERVICE = 2400
    PLATFORM_CONFIG = 2401
    PLATFORM_HASH = 2402


# Keys of PSA_IOT_PROFILE_1 (draft-tschofenig-rats-psa-token-07): the same claims under numbers of their own.
_PROFILE_1_KEYS: Final = {
    -75000: Claim.PROFILE,
    -75001: Claim.CLIENT_ID,
    -75002: Claim.LIFECYCLE,
    -75003: Claim.IMPLEMENTATION_ID,
    -75004: Claim.BOOT_SEED,
    -75005: Claim.CERTIFICATION,
    -75006: Claim.SOFTWARE,
    -75008: Claim.NONCE,
    -75009: Claim.INSTANCE_ID,
    -75010: Claim.VERIFICATION_SERVICE,
}
_PROFILE_1_INSTANCE_ID: Final = -75009
_NO_SOFTWARE: Final = -75007  # profile 1: 1 says that the device measures nothing


@dataclass(frozen=True, slots=True)
class Component:
    """A measured piece of software. `signer_id` is a hash of the key that signed it."""

    digest: bytes
    signer_id: bytes
    kind: str | None
    version: str | None
    description: str | None


@dataclass(frozen=True, slots=True)
class DeviceClaims:
    """What PSA tokens and CCA platform tokens have in common, and what only one of them has (else None)."""

    profile: str
    nonce: bytes
    instance_id: bytes
    implementation_id: bytes
    lifecycle: int
    components: tuple[Component, ...]
    client_id: int | None
    boot_seed: bytes | None
    certification: str | None
    verification_service: str | None
    platform_config: bytes | None

    @property
    def lifecycle_state(self) -> Lifecycle:
        return _LIFECYCLES[self.lifecycle >> 8]


def instance_id_of(payload: bytes) -> bytes:
    """The instance id (33 bytes) of a token of any profile, by which its key is found; EvidenceError without one."""
    fields = claim_map(payload)
    return octets(fields, Claim.INSTANCE_ID if Claim.INSTANCE_ID in fields else _PROFILE_1_INSTANCE_ID, {33})


def parse_psa_claims(payload: bytes) -> DeviceClaims:
    """Claims of a PSA token of any profile; EvidenceError when one is missing, of a wrong type or size."""
    fields = claim_map(payload)
    if Claim.PROFILE in fields:
        return _device(fields, _profile(fields, PSA_PROFILES), psa=True)
    return _device(_profile_1(fields), PSA_PROFILE_1, psa=True)


def parse_platform_claims(payload: bytes) -> DeviceClaims:
    """Claims of the platform token of CCA; EvidenceError as above."""
    fields = claim_map(payload)
    return _device(fields, _profile(fields, CCA_PLATFORM_PROFILES), psa=False)


def _profile(fields: Fields, known: frozenset[str]) -> str:
    profile = text(fields, Claim.PROFILE)
    if profile not in known:
        raise EvidenceError(f"profile {profile[:64]!r} is not one of this format", reason=Reason.WRONG_TYPE)
    return profile


def claim_map(payload: bytes) -> Fields:
    """The claims of a token, not yet judged."""
    fields = cbor.decode(payload)
    if not isinstance(fields, dict):
        raise EvidenceError("claims are not a map")
    return fields


def _profile_1(fields: Fields) -> Fields:
    """The claims under the keys of the later profiles. Having both kinds would let two readers see two tokens."""
    if any(key in fields for key in Claim):
        raise EvidenceError("claims of two profiles in one token")
    renamed: Fields = {int(claim): fields[key] for key, claim in _PROFILE_1_KEYS.items() if key in fields}
    if renamed.get(Claim.PROFILE, PSA_PROFILE_1) != PSA_PROFILE_1:
        raise EvidenceError("profile is not PSA_IOT_PROFILE_1")
    measures_nothing = fields.get(_NO_SOFTWARE)
    if (measures_nothing is None) == (Claim.SOFTWARE not in renamed) or measures_nothing not in (None, 1):
        raise EvidenceError("token has neither software components nor the claim that there are none, or both")
    if Claim.BOOT_SEED not in renamed:
        raise EvidenceError("boot seed is missing")
    return renamed


def _device(fields: Fields, profile: str, *, psa: bool) -> DeviceClaims:
    instance_id = octets(fields, Claim.INSTANCE_ID, {33})
    if instance_id[0] != UEID_RAND:
        raise EvidenceError("instance id is not a UEID of type RAND")
    lifecycle = _unsigned(fields, Claim.LIFECYCLE)
    if lifecycle > 0xFFFF or lifecycle >> 8 not in _LIFECYCLES:
        raise EvidenceError(f"security lifecycle {lifecycle:#x} is no state")
    return DeviceClaims(
        profile=profile,
        nonce=octets(fields, Claim.NONCE, HASH_BYTES),
        instance_id=instance_id,
        implementation_id=octets(fields, Claim.IMPLEMENTATION_ID, {32}),
        lifecycle=lifecycle,
        components=_components(fields, required=profile != PSA_PROFILE_1),
        client_id=_client_id(fields) if psa else None,
        boot_seed=_boot_seed(fields, profile) if psa else None,
        certification=optional_text(fields, Claim.CERTIFICATION),
        verification_service=optional_text(fields, Claim.VERIFICATION_SERVICE),
        platform_config=None if psa else octets(fields, Claim.PLATFORM_CONFIG, range(1, 1025)),
    )


def _client_id(fields: Fields) -> int:
    """The caller of the token's API: positive in the secure world, negative in the other."""
    value = fields.get(Claim.CLIENT_ID)
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**31) <= value < 2**31:
        raise EvidenceError("client id is not an integer of 32 bits")
    return value


def _boot_seed(fields: Fields, profile: str) -> bytes | None:
    if Claim.BOOT_SEED not in fields:
        return None
    return octets(fields, Claim.BOOT_SEED, {32} if profile == PSA_PROFILE_1 else range(8, 33))


def _components(fields: Fields, *, required: bool) -> tuple[Component, ...]:
    found = fields.get(Claim.SOFTWARE)
    if found is None and not required:
        return ()
    if not isinstance(found, tuple) or not 1 <= len(found) <= MAX_COMPONENTS:
        raise EvidenceError(f"software components are not a list of 1 to {MAX_COMPONENTS}")
    return tuple(_component(item) for item in found)


def _component(item: CborValue) -> Component:
    if not isinstance(item, dict):
        raise EvidenceError("software component is not a map")
    return Component(
        digest=octets(item, 2, HASH_BYTES),
        signer_id=octets(item, 5, HASH_BYTES),
        kind=optional_text(item, 1),
        version=optional_text(item, 4),
        description=optional_text(item, 6),
    )


def octets(fields: Fields, key: int, sizes: "frozenset[int] | set[int] | range") -> bytes:
    """A byte string of one of these sizes; EvidenceError otherwise."""
    value = fields.get(int(key))
    if not isinstance(value, bytes) or len(value) not in sizes:
        raise EvidenceError(f"claim {int(key)} is not a byte string of a size it may have")
    return value


def text(fields: Fields, key: int) -> str:
    value = fields.get(int(key))
    if not isinstance(value, str) or not value:
        raise EvidenceError(f"claim {int(key)} is not a text")
    return value


def optional_text(fields: Fields, key: int) -> str | None:
    return text(fields, key) if int(key) in fields else None


def _unsigned(fields: Fields, key: int) -> int:
    value = fields.get(int(key))
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise EvidenceError(f"claim {int(key)} is not an unsigned integer")
    return value
