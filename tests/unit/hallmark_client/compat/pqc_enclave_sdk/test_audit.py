import json

import pytest

from hallmark_client.compat.pqc_enclave_sdk import EnclaveAuditEntry, EnclaveAuditLog, EnclaveSDKError


def filled() -> EnclaveAuditLog:
    log = EnclaveAuditLog()
    log.log_unlock("d", "k")
    log.log_put("d", "id", "name", "other")
    log.log_get("e", "id")
    log.log_policy_violation("d", "id", "no")
    log.log_attest("d", "id")
    log.log_delete("d", "id", "name")
    log.log_lock("d")
    return log


def test_newest_first_and_only_what_matches() -> None:
    log = filled()
    assert [each.operation for each in log.entries(limit=2)] == ["lock", "delete"]
    assert [each.operation for each in log.entries(device_id="e", artifact_id="id")] == ["get"]
    assert log.entries(limit=0) == []
    assert len(log.entries()) == len(log) == 7


def test_it_can_be_exported() -> None:
    log = filled()
    again = [EnclaveAuditEntry.from_dict(each) for each in json.loads(log.export_json())]
    assert again == log.entries()[::-1]


def test_a_changed_entry_shows() -> None:
    log = filled()
    log.verify()
    log.entries()[2].details = "yes"
    with pytest.raises(EnclaveSDKError):
        log.verify()
