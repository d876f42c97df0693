"""Port: verdicts about devices, for keys with an attestation gate. kms.devices, which stands above keys, has them.

A use of a gated key looks twice: before the HSM is asked (`vouch`), and inside the transaction that logs the use
(`VerdictGate.still_standing`), whose log entry names the verdict. What changed in between is refused with
`VerdictChanged`. Default deny: a device may use gated keys that are open to devices, each for itself, and nothing else.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from sqlalchemy.engine import Connection

from kms.core.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Reason, Unavailable, not_found
from kms.core.identity import Caller, Role
from kms.core.names import ChildName, KeyName
from kms.keys.attestation_gate import AttestationGate, LiveVerdict


@dataclass(frozen=True, slots=True)
class Vouched:
    """What a use of a gated key rests on. `verdict`: its name, which the log entry of the use holds."""

    device: ChildName
    verdict: str


@dataclass(frozen=True, slots=True)
class Claimant:
    """On whose behalf a key is used: `device`, None for nobody's. `is_caller`: it is the device itself that asks."""

    device: ChildName | None = None
    is_caller: bool = False


NOBODY: Final = Claimant()


class VerdictGate(Protocol):
    """Quick reads; no network. Called on the database's own threads."""

    def own_device(self, caller: Caller) -> ChildName | None:
        """The device whose certificate this is; None for all others, also for callers with role device of another
        origin.
        """

    def find(self, tx: Connection, device: ChildName) -> LiveVerdict:
        """Raises NotFound, FailedPrecondition (DEVICE_REVOKED, VERDICT_REFUSED)."""

    def still_standing(self, tx: Connection, vouched: Collection[Vouched]) -> frozenset[Vouched]:
        """Those whose device is not revoked and has no newer verdict. Until the transaction ends nobody changes that:
        a revocation waits for it (rows are locked, in one order for all).
        """


class NoDevices:
    """A service without devices: gated keys are closed."""

    def own_device(self, _caller: Caller) -> ChildName | None:
        return None

    def find(self, _tx: Connection, device: ChildName) -> LiveVerdict:
        raise not_found(str(device))

    def still_standing(self, _tx: Connection, _vouched: Collection[Vouched]) -> frozenset[Vouched]:
        return frozenset()


class VerdictChanged(Unavailable):
    """The device attested anew, was judged again or revoked before the use could commit: what was made is discarded.

    A repeated call hears what is the case now.
    """

    def __init__(self, device: ChildName) -> None:
        super().__init__(
            Reason.VERDICT_CHANGED,
            f"the verdict about {device} changed while the key was used; nothing was given out, retry",
            resource=str(device),
            retry_after_seconds=0.05,
        )


def claimant(verdicts: VerdictGate, named: str, caller: Caller) -> Claimant:
    """`named`: field `device` of a request. Raises InvalidArgument, NotFound, PermissionDenied."""
    if caller.role is Role.DEVICE:
        own = verdicts.own_device(caller)
        if own is None:
            raise PermissionDenied(
                Reason.ROLE_NOT_ALLOWED,
                "devices use keys with the certificate that AttestDevice gave them; this one names no attested device",
            )
        if named not in {"", str(own)}:
            raise PermissionDenied(
                Reason.ROLE_NOT_ALLOWED, "a device uses keys for itself only; leave device out", resource=named
            )
        return Claimant(own, is_caller=True)
    if not named:
        return NOBODY
    device = ChildName.parse(named, "devices", "device")
    caller.may_see(device.tenant, named)
    return Claimant(device)


def vouch(
    tx: Connection, verdicts: VerdictGate, key: KeyName, gate: AttestationGate | None, who: Claimant, now: datetime
) -> Vouched | None:
    """What lets `who` use the key now; None for a key without a gate.

    Raises PermissionDenied (a device where none may), InvalidArgument (a device named for nothing), NotFound,
    FailedPrecondition (ATTESTATION_REQUIRED, DEVICE_REVOKED, VERDICT_REFUSED, VERDICT_TOO_OLD, VERDICT_INSUFFICIENT).
    """
    if who.is_caller and (gate is None or not gate.device_callers):
        raise PermissionDenied(
            Reason.ROLE_NOT_ALLOWED,
            f"{key} is not open to devices: its attestation gate would have to say device_callers",
            resource=str(key),
        )
    if gate is None:
        if who.device is not None:
            raise InvalidArgument(
                Reason.FIELD_INVALID, f"{key} has no attestation gate; leave device out", field="device"
            )
        return None
    if who.device is None:
        raise FailedPrecondition(
            Reason.ATTESTATION_REQUIRED,
            f"{key} is used on behalf of attested devices only: name one in device",
            resource=str(key),
        )
    verdict = verdicts.find(tx, who.device)
    gate.check(key, verdict, now)
    return Vouched(verdict.device, verdict.name)


def check_standing(tx: Connection, verdicts: VerdictGate, vouched: Vouched | None) -> None:
    """Raises VerdictChanged when it does not stand any more."""
    if vouched is not None and vouched not in verdicts.still_standing(tx, {vouched}):
        raise VerdictChanged(vouched.device)


def gate_changed(key: KeyName) -> Unavailable:
    """For a use that an owner's UpdateKey overtook."""
    return Unavailable(
        Reason.VERDICT_CHANGED,
        f"the attestation gate of {key} changed while it was used; nothing was given out, retry",
        resource=str(key),
        retry_after_seconds=0.05,
    )
