"""Keys, their versions, their signatures."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.attestation_gate import AttestationGate
from hallmark_client.model.enums import (
    Algorithm,
    ExportPolicy,
    KeyOrigin,
    KeyPurpose,
    KeyVersionState,
    ProtectionLevel,
    Sensitivity,
)
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_composite import CompositeError, CompositePublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyComponent(Result):
    """One half of a composite key; it can not be used alone. algorithm: "ML-DSA-65", "ECDSA-P256", ..."""

    algorithm: str
    protection_level: ProtectionLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationPolicy(Result):
    """When a key gets a new version. period: 1 hour to 5 years; None is on demand only.

    publish_lead: how long the next public key is in the trust bundle before it signs, 0 to half the period.
    verify_tail: how long a version stays in the trust bundle after it was rotated out; None is for ever.
    next_rotation_time: when the next version is made; only on keys that were read.
    """

    period: timedelta | None = None
    publish_lead: timedelta = timedelta(0)
    verify_tail: timedelta | None = None
    next_rotation_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageLimits(Result):
    """How much a key may be used; None is no limit. per_second: sustained, counted by each replica. total: exact."""

    per_second: int | None = None
    total: int | None = None
    not_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion(Result):
    """One key pair of a key. public_key_sha256: hex, of the SubjectPublicKeyInfo in DER.

    revoke_time: set when it was revoked; from then on its signatures are not to be trusted. activate_time: when it
    begins, or began, to sign. destroy_time: when it will be, or was, destroyed. compromise_time: since when its secret
    may be known. exportable: made so that it may leave. creation_event_key: log entry that says how it was made, for
    `log.inclusion_proof`.
    """

    name: str
    state: KeyVersionState
    protection_level: ProtectionLevel
    components: tuple[KeyComponent, ...]
    create_time: datetime
    deactivate_time: datetime | None
    revoke_time: datetime | None
    public_key_sha256: str
    activate_time: datetime | None = None
    compromise_time: datetime | None = None
    destroy_time: datetime | None = None
    origin: KeyOrigin = KeyOrigin.GENERATED
    exportable: bool = False
    creation_event_key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Result):
    """A key and all its versions, newest first.

    primary_version: the one that signs now, empty when none may. etag: give it to `rotate` to refuse a rotation of
    what changed meanwhile. destroy_wait: from `schedule_destroy` to the destruction. use_count: signatures or openings
    so far. aliases: full names. attestation_gate: what the device behind each use must be; None: nobody is asked.
    sensitivity: what channel rules and access policies go by. log, replayed: only on the answers of calls that
    change a key.
    """

    name: str
    purpose: KeyPurpose
    algorithm: Algorithm
    primary_version: str
    create_time: datetime
    update_time: datetime
    labels: Mapping[str, str]
    etag: str
    versions: tuple[KeyVersion, ...]
    revoke_time: datetime | None
    rotation: RotationPolicy = RotationPolicy()
    usage_limits: UsageLimits = UsageLimits()
    destroy_wait: timedelta = timedelta(days=30)
    export_policy: ExportPolicy = ExportPolicy.NEVER
    use_count: int = 0
    aliases: tuple[str, ...] = ()
    attestation_gate: AttestationGate | None = None
    sensitivity: Sensitivity = Sensitivity.STANDARD
    log: LogPromise | None = None
    replayed: bool = False

    @property
    def next_version(self) -> KeyVersion | None:
        """The newest version that waits to become the primary one."""
        return next((version for version in self.versions if version.state is KeyVersionState.PRE_ACTIVE), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey(Result):
    """A composite public key as the server told it, checksum checked.

    name: the version it belongs to. raw: LAMPS bytes (ML-DSA key, then X9.62 point). pem: SubjectPublicKeyInfo.
    """

    name: str
    algorithm: Algorithm
    raw: bytes
    pem: str
    state: KeyVersionState

    def composite(self) -> CompositePublicKey:
        """The key that verifies offline, through hallmark_composite. Raises VerificationFailed when malformed."""
        try:
            key = CompositePublicKey.from_spki_pem(self.pem)
        except CompositeError as error:
            raise VerificationFailed("PUBLIC_KEY_INVALID", f"the PEM of {self.name}: {error}") from error
        if key.raw != self.raw:
            raise VerificationFailed("PUBLIC_KEY_INVALID", f"PEM and raw bytes of {self.name} are different keys")
        return key


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature(Result):
    """A composite signature and where it stands in the log.

    signature: raw LAMPS bytes; not an identity, a signature of the same bytes may differ. replayed: the answer to an
    earlier call with the same request_id.
    """

    key_version: str
    algorithm: Algorithm
    protection_level: ProtectionLevel
    signature: bytes
    log: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Result):
    """The server verified the signature with this version, on both halves of a composite.

    state: of that version now. revoke_time: set when it was revoked; from then on its signatures are not to be trusted.
    compromise_time: since when its secret may be known.
    """

    key_version: str
    state: KeyVersionState
    revoke_time: datetime | None = None
    compromise_time: datetime | None = None
