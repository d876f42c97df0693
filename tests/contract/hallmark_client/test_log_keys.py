from datetime import timedelta

import pytest

from hallmark_client import Client, InvalidArgument, PermissionDenied
from hallmark_tlog.vkey import KeyType, parse_vkey


def test_the_keys_of_the_log_are_known_to_every_role(client_under_test) -> None:
    for role in ("admin", "backend", "auditor"):
        client = client_under_test(role)
        keys = client.log.keys.list()
        told = client.capabilities().log
        assert [parse_vkey(key.vkey).type for key in keys] == [KeyType.ED25519, KeyType.ML_DSA_44]
        assert [key.vkey for key in keys] == list(told.verifier_keys)
        assert {key.origin for key in keys} == {told.origin}
        assert all(key.retire_time is None for key in keys)


def test_a_rotation_needs_an_operator_and_an_hour(admin: Client, client_under_test) -> None:
    with pytest.raises(PermissionDenied):
        client_under_test("backend").log.keys.rotate()
    for overlap in (timedelta(0), timedelta(minutes=59)):
        with pytest.raises(InvalidArgument, match="overlap_seconds"):
            admin.log.keys.rotate(overlap=overlap)
