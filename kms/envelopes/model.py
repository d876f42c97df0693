"""Envelopes and epochs, and the rules about them as pure functions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hallmark_envelope import HpkeKem
from hsm.material import HpkeKeyMaterial
from hsm.secret import Secret
from kms.core.errors import FailedPrecondition, InvalidArgument, Reason, not_found
from kms.core.idempotency import RequestKey
from kms.core.names import KeyVersionName
from kms.keys.lifecycle import Action, acted, destroyed
from kms.keys.model import Key, KeyVersion, KeyVersionState, ServiceSignature, check_not_expired
from kms.keys.purposes import check_opens
from kms.keys.verdict_gate import NOBODY, Claimant
from kms.log.model import LogPromise

SIGNING_KEY_ID: Final = "envelope-keys"
"""tenants/system/keys/envelope-keys signs which key to seal to."""
ENVELOPE_KEY_CONTEXT: Final = "hallmark/envelope-key/v1"
DATA_KEY_BYTES: Final = 32
"""AES-256."""
BATCH_MAX: Final = 256
KEY_LIFETIME_DEFAULT: Final = timedelta(days=1)
"""How long a statement of an envelope key may be used to seal: who seals learns of a new epoch within this time."""
_OVERDUE: Final = timedelta(minutes=5)
"""A rotation that is late does not leave sealers without a key."""

_OPENS: Final = frozenset({KeyVersionState.ACTIVE, KeyVersionState.DEACTIVATED, KeyVersionState.COMPROMISED})
"""What was sealed in time can be read later, also to seal it anew after a compromise (SP 800-57 part 1, section 7)."""
_SHREDS_LATER: Final = frozenset({KeyVersionState.ACTIVE, KeyVersionState.SUSPENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeKey:
    """The key to seal to, as the service states and signs it. `payload` is what is signed."""

    version: KeyVersion
    not_after: datetime
    payload: bytes
    signature: ServiceSignature


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One envelope that is to be opened. `name`: the version it was sealed to."""

    name: KeyVersionName
    envelope: bytes
    info: bytes
    request: RequestKey
    published: bool
    claimant: Claimant = NOBODY


@dataclass(frozen=True, slots=True)
class Opened:
    """`plaintext` is never stored: a retry opens the envelope again."""

    plaintext: Secret
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey:
    """A fresh AES-256 key, in clear and sealed to the epoch `key_version`."""

    plaintext: Secret
    envelope: bytes
    key_version: str
    promise: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Shredding:
    """That an epoch is gone."""

    shred_time: datetime
    promise: LogPromise


def kem_of(version: KeyVersion) -> HpkeKem:
    assert version.algorithm.kem_id is not None, "purpose ENVELOPE means an HPKE algorithm"
    return HpkeKem(version.algorithm.kem_id)


def hpke_material(version: KeyVersion) -> HpkeKeyMaterial:
    """Raises FailedPrecondition when the private half was destroyed."""
    material = version.usable_material
    assert isinstance(material, HpkeKeyMaterial), "purpose ENVELOPE means an HPKE algorithm"
    return material


def may_open(state: KeyVersionState | None) -> bool:
    return state in _OPENS


def opening_version(key: Key, number: int, now: datetime) -> KeyVersion:
    """The version, if it may open envelopes now. Raises FailedPrecondition with what to do."""
    check_opens(key)
    check_not_expired(key, now)
    version = key.version(number)
    if version is None:
        raise not_found(str(KeyVersionName(key.name.tenant, key.name.key, number)))
    if not may_open(version.state):
        raise not_open(version.name, version.state)
    return version


def not_open(name: KeyVersionName, state: KeyVersionState | None) -> FailedPrecondition:
    match state:
        case KeyVersionState.DESTROYED | None:
            what = "was shredded: what was sealed to it is gone"
        case KeyVersionState.DESTROY_SCHEDULED:
            what = "is scheduled for destruction and opens nothing; restore it first"
        case _:
            what = f"is {state} and opens nothing"
    return FailedPrecondition(Reason.KEY_VERSION_NOT_ACTIVE, f"{name} {what}", resource=str(name))


def seal_until(key: Key, now: datetime, lifetime: timedelta) -> datetime:
    """Until when the primary version of the key is to be sealed to, as it is planned now."""
    ends = [now + lifetime]
    if key.settings.usage_limits.not_after is not None:
        ends.append(key.settings.usage_limits.not_after)
    if key.next_version is not None and key.next_version.activate_time is not None:
        ends.append(max(key.next_version.activate_time, now + _OVERDUE))
    if key.next_rotation_time is not None:
        planned = key.next_rotation_time + key.settings.rotation.publish_lead
        ends.append(max(planned, now + _OVERDUE))
    return min(ends)


def shredded(key: Key, number: int, now: datetime) -> Key:
    """The key without the private half of one version, at once. Raises FailedPrecondition/STATE_TRANSITION_INVALID.

    An epoch that is still sealed to is not shredded: it is rotated out, or deactivated, first.
    """
    check_opens(key)
    version = key.version(number)
    if version is None:
        raise not_found(str(KeyVersionName(key.name.tenant, key.name.key, number)))
    if version.state is KeyVersionState.DESTROYED:
        raise _not_shreddable(version, "was shredded already")
    if version.state in _SHREDS_LATER:
        raise _not_shreddable(version, f"is {version.state}: rotate {key.name}, or deactivate this version, first")
    if version.state is not KeyVersionState.DESTROY_SCHEDULED:
        key = acted(key, number, Action.SCHEDULE_DESTROY, now)
    return destroyed(key, number, now)


def envelope_invalid() -> InvalidArgument:
    """The same for another key, other info and changed bytes: to tell them apart would help an attacker."""
    return InvalidArgument(
        Reason.ENVELOPE_INVALID, "the envelope does not open with this key version and this info", field="envelope"
    )


def _not_shreddable(version: KeyVersion, what: str) -> FailedPrecondition:
    return FailedPrecondition(Reason.STATE_TRANSITION_INVALID, f"{version.name} {what}", resource=str(version.name))
