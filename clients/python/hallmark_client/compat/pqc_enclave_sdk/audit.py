"""The old audit log: entries in memory, each bound to the one before by its hash.

The vault underneath keeps a chain of its own on disk, which also holds denials, and can be anchored in the transparency
log (hallmark_client.device.audit): EnclaveVault.device_vault.audit. That one is the record; this is what a program
looks at.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from .errors import EnclaveSDKError

_DOMAIN: Final = b"hallmark/pqc-enclave-sdk-audit/v1\n"


@dataclass
class EnclaveAuditEntry:
    """operation: unlock, lock, put, get, delete, policy_violation or attest. timestamp: RFC 3339, not trusted."""

    timestamp: str
    operation: str
    device_id: str
    artifact_id: str = ""
    artifact_name: str = ""
    artifact_kind: str = ""
    success: bool = True
    details: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(**data)


class EnclaveAuditLog:
    """max_entries: kept in memory; what leaves still counts in `size` and stands behind `head`."""

    def __init__(self, max_entries: int = 100_000, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._entries: list[EnclaveAuditEntry] = []
        self._max = max_entries
        self._now = now
        self._start = self._head = bytes(hashlib.sha256().digest_size)
        self.size = 0

    def log_unlock(self, device_id: str, key_id: str) -> EnclaveAuditEntry:
        return self._append("unlock", device_id, details=f"key_id={key_id}")

    def log_lock(self, device_id: str) -> EnclaveAuditEntry:
        return self._append("lock", device_id)

    def log_put(self, device_id: str, artifact_id: str, artifact_name: str, artifact_kind: str) -> EnclaveAuditEntry:
        return self._append(
            "put", device_id, artifact_id=artifact_id, artifact_name=artifact_name, artifact_kind=artifact_kind
        )

    def log_get(
        self,
        device_id: str,
        artifact_id: str,
        success: bool = True,  # noqa: FBT001, FBT002 - the order of the old API
        details: str = "",
    ) -> EnclaveAuditEntry:
        return self._append("get", device_id, artifact_id=artifact_id, success=success, details=details)

    def log_delete(self, device_id: str, artifact_id: str, artifact_name: str) -> EnclaveAuditEntry:
        return self._append("delete", device_id, artifact_id=artifact_id, artifact_name=artifact_name)

    def log_policy_violation(self, device_id: str, artifact_id: str, details: str) -> EnclaveAuditEntry:
        return self._append("policy_violation", device_id, artifact_id=artifact_id, success=False, details=details)

    def log_attest(self, device_id: str, artifact_id: str, details: str = "") -> EnclaveAuditEntry:
        return self._append("attest", device_id, artifact_id=artifact_id, details=details)

    def entries(
        self,
        limit: int = 100,
        operation: str | None = None,
        device_id: str | None = None,
        artifact_id: str | None = None,
    ) -> list[EnclaveAuditEntry]:
        """Newest first; only those that match everything that is given."""
        wanted = {"operation": operation, "device_id": device_id, "artifact_id": artifact_id}
        asked = [(name, value) for name, value in wanted.items() if value]
        found = [entry for entry in self._entries if all(getattr(entry, name) == value for name, value in asked)]
        return found[: -limit - 1 : -1] if limit > 0 else []

    @property
    def head(self) -> str:
        """64 hex digits: stands for every entry so far, also those that are no longer kept."""
        return self._head.hex()

    def verify(self) -> str:
        """The head, after the hashes of all that is kept were computed again. Raises EnclaveSDKError."""
        head = self._start
        for entry in self._entries:
            head = _link(head, entry)
        if head != self._head:
            raise EnclaveSDKError("the audit log was changed: its entries do not lead to its head")
        return self.head

    def export_json(self) -> str:
        return json.dumps([entry.to_dict() for entry in self._entries], indent=2)

    def clear(self) -> None:
        """Raises EnclaveSDKError, always."""
        raise EnclaveSDKError(
            "an audit log is not cleared. To bound the chain on disk, anchor it and then prune it: "
            "Client.releases.anchor_audit, then AuditChain.prune"
        )

    def __len__(self) -> int:
        return len(self._entries)

    def _append(self, operation: str, device_id: str, **rest: Any) -> EnclaveAuditEntry:
        entry = EnclaveAuditEntry(self._now().isoformat(), operation, device_id, **rest)
        self._head = _link(self._head, entry)
        self._entries.append(entry)
        self.size += 1
        if len(self._entries) > self._max:
            self._start = _link(self._start, self._entries.pop(0))
        return entry


def _link(head: bytes, entry: EnclaveAuditEntry) -> bytes:
    line = json.dumps(entry.to_dict(), sort_keys=True, separators=(",", ":")).encode()
    return hashlib.sha256(_DOMAIN + head + line).digest()
