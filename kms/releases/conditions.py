"""What a device needs to be given the key of an artifact, looked at before the HSM is asked and again in the commit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.engine import Connection

from kms.artifacts import store as artifact_store
from kms.consent import lease_store
from kms.consent import store as consent_store
from kms.consent.leases import Lease
from kms.consent.removal_port import Blocked
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.names import ChildName, DigestName
from kms.devices import store as device_store
from kms.devices.model import HpkeKey
from kms.envelopes.model import may_open, not_open, opening_version
from kms.keys import signing_store
from kms.keys.attestation_gate import AttestationGate, DeviceClass, gate_document
from kms.keys.model import Key, KeyVersion
from kms.keys.resolve import find_referenced
from kms.keys.verdict_gate import Claimant, VerdictGate, Vouched, check_standing, gate_changed, vouch
from kms.releases import holder_store, store
from kms.releases.model import COLLECTION, Holder, Release, check_available

UNGATED: Final = AttestationGate(device_classes=frozenset(DeviceClass))
"""Where the owner of the envelope key demands nothing: any device whose verdict is positive and not a day old."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which device asks for the key of which artifact, and when."""

    device: ChildName
    artifact: DigestName
    now: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the release of a key rests on. `lease`: a live one; None where none is needed, or none is there."""

    release: Release
    key: Key
    version: KeyVersion
    vouched: Vouched
    hpke_key: HpkeKey
    needs_lease: bool
    lease: Lease | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyConditions:
    verdicts: VerdictGate
    blocked: Blocked

    def find(self, tx: Connection, asked: Asked) -> Standing:
        """All but the lease is demanded. Raises the uniform not-found for the artifact; FailedPrecondition
        (ARTIFACT_REVOKED, ARTIFACT_SUSPENDED, ARTIFACT_SUPERSEDED, KEY_VERSION_NOT_ACTIVE, DEVICE_REVOKED,
        VERDICT_REFUSED, VERDICT_TOO_OLD, VERDICT_INSUFFICIENT, REMOVAL_OVERDUE, DEVICE_KEY_MISSING).
        """
        device, artifact, now = asked.device, asked.artifact, asked.now
        release = store.find(tx, DigestName(artifact.tenant, COLLECTION, artifact.digest))
        if release is None:
            raise not_found(str(artifact))
        check_available(artifact, store.state(tx, release))
        name = release.content_key.key_version
        key, _ = find_referenced(tx, name)
        version = opening_version(key, name.version, now)
        gate = key.settings.attestation_gate or UNGATED
        vouched = vouch(tx, self.verdicts, key.name, gate, Claimant(device), now)
        assert vouched is not None, "there is a gate"
        self._check_nothing_overdue(tx, device)
        holder = holder_store.find(tx, device, artifact)
        needs_lease = release.requires_consent or _was_ended(holder)
        return Standing(
            release=release,
            key=key,
            version=version,
            vouched=vouched,
            hpke_key=_hpke_key(tx, device),
            needs_lease=needs_lease,
            lease=_live_lease(tx, asked, lock=False) if needs_lease else None,
        )

    def check_still(self, tx: Connection, asked: Asked, before: Standing, holder: Holder) -> Lease | None:
        """Inside the transaction that releases the key, with `holder` locked: nobody takes anything of it back before
        the commit. Gives the lease that it rests on. Raises as `find` does, LEASE_REQUIRED, VERDICT_CHANGED.
        """
        artifact_store.hold(tx, asked.artifact, before.release.model)  # a release itself never changes
        check_available(asked.artifact, store.state(tx, before.release))
        name, gate = before.version.name, before.key.settings.attestation_gate
        facts = signing_store.version_facts(tx, name)
        if facts is None or not may_open(facts.state):
            raise not_open(name, None if facts is None else facts.state)
        if facts.gate != (None if gate is None else gate_document(gate)):
            raise gate_changed(name.key_name)
        check_standing(tx, self.verdicts, before.vouched)
        self._check_nothing_overdue(tx, asked.device)
        if not (before.release.requires_consent or _was_ended(holder)):
            return None
        lease = _live_lease(tx, asked, lock=True)
        if lease is None:
            raise lease_required(asked.artifact)
        return lease

    def _check_nothing_overdue(self, tx: Connection, device: ChildName) -> None:
        if self.blocked.is_blocked(tx, frozenset({device})):
            raise FailedPrecondition(
                Reason.REMOVAL_OVERDUE,
                f"{device} has not proved a removal that is overdue: it gets no key before that",
                resource=str(device),
            )


def lease_required(artifact: DigestName) -> FailedPrecondition:
    return FailedPrecondition(
        Reason.LEASE_REQUIRED,
        f"{artifact} may be used with consent only, and no lease of this device is live: name a consent that gives one",
        resource=str(artifact),
    )


def _was_ended(holder: Holder | None) -> bool:
    """It was asked to delete what it had: to hold it again takes somebody's consent."""
    return holder is not None and holder.end_time is not None


def _hpke_key(tx: Connection, device: ChildName) -> HpkeKey:
    found = device_store.find_device(tx, device)
    if found is None or found.hpke_key is None:
        raise key_missing(device)
    return found.hpke_key


def key_missing(device: ChildName) -> FailedPrecondition:
    sentence = f"{device} has no HPKE key that can be sealed to: attest again with hpke_key"
    return FailedPrecondition(Reason.DEVICE_KEY_MISSING, sentence, resource=str(device))


def _live_lease(tx: Connection, asked: Asked, *, lock: bool) -> Lease | None:
    """The newest one. `lock`: its consent stays as it is until the commit."""
    for lease in reversed(lease_store.of_device(tx, asked.device, asked.artifact)):
        if lease.is_live_at(asked.now) and (not lock or _is_open(tx, lease.consent, asked.now)):
            return lease
    return None


def _is_open(tx: Connection, consent: ChildName, now: datetime) -> bool:
    found = consent_store.find(tx, consent, lock=True)
    return found is not None and found.state_at(now).is_open
