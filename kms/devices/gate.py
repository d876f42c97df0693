"""Verdicts about devices for keys with an attestation gate (kms.keys.verdict_gate.VerdictGate)."""

from collections.abc import Collection
from typing import Any

from sqlalchemy.engine import Connection

from attestation.claims import Measurement, SecurityLevel
from attestation.model import Format
from kms.core.direct_sql import DirectSql
from kms.core.errors import FailedPrecondition, Reason, not_found
from kms.core.identity import Caller, device_of
from kms.core.names import ChildName
from kms.devices import store
from kms.devices.model import Device, DeviceState
from kms.keys.attestation_gate import DeviceClass, LiveVerdict
from kms.keys.verdict_gate import Vouched

# FOR SHARE (PostgreSQL): a revocation, or a new verdict, waits for the uses that looked before it, and the next see it.
_STANDING = DirectSql(
    "SELECT state, latest_verdict, verdict_revoke_time FROM device WHERE tenant = ? AND id = ?", lock="FOR SHARE"
)


class DeviceVerdicts:
    """Stateless: the tables of devices say it all."""

    def own_device(self, caller: Caller) -> ChildName | None:
        return device_of(caller)

    def find(self, tx: Connection, device: ChildName) -> LiveVerdict:
        """Raises NotFound, FailedPrecondition (DEVICE_REVOKED, VERDICT_REFUSED)."""
        found = store.find_device(tx, device)
        if found is None:
            raise not_found(str(device))
        if found.state is not DeviceState.ATTESTED:
            raise FailedPrecondition(
                Reason.DEVICE_REVOKED, f"{device} was revoked and uses no key any more", resource=str(device)
            )
        verdict = found.latest_verdict
        if not verdict.appraised:
            raise FailedPrecondition(
                Reason.VERDICT_REFUSED,
                f"the newest verdict about {device} is a refusal ({', '.join(verdict.reasons)}): {verdict.detail}. Put"
                " that right and attest again",
                resource=str(device),
                metadata={"verdict": str(verdict.name), "reasons": ",".join(verdict.reasons)},
            )
        return _live(found)

    def still_standing(self, tx: Connection, vouched: Collection[Vouched]) -> frozenset[Vouched]:
        """One row each, locked in the order of their names."""
        by_device: dict[ChildName, str] = {}
        for device in sorted({each.device for each in vouched}, key=str):
            rows = _STANDING.rows(tx, (device.tenant, device.id))
            if rows and rows[0][0] == DeviceState.ATTESTED and rows[0][2] is None:
                by_device[device] = str(ChildName(device.tenant, "verdicts", rows[0][1]))
        return frozenset(each for each in vouched if by_device.get(each.device) == each.verdict)


def _live(device: Device) -> LiveVerdict:
    verdict = device.latest_verdict
    claims: dict[str, Any] = verdict.claims
    level = claims.get("security_level")
    return LiveVerdict(
        name=str(verdict.name),
        device=device.name,
        format=Format(verdict.format),
        level=None if level is None else SecurityLevel(level),
        device_class=DeviceClass(device.device_class.value),
        measurements=tuple(
            Measurement(each["name"], bytes.fromhex(each["digest"])) for each in claims.get("measurements", ())
        ),
        live_time=device.live_time,
    )
