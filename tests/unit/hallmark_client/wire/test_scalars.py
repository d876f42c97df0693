from datetime import UTC, datetime
from enum import StrEnum

import pytest

from hallmark.v1 import common_pb2, keys_pb2
from hallmark_client import Algorithm, InvalidArgument, KeyVersionState, RevocationReason
from hallmark_client.model import enums
from hallmark_client.wire.scalars import _WIRE, enum_argument, log_wait_argument, member_of, number_of
from hallmark_client.wire.scalars import timestamp_argument as timestamp


def test_every_enum_of_ours_has_one_on_the_wire() -> None:
    ours = {value for value in vars(enums).values() if isinstance(value, type) and issubclass(value, StrEnum)}
    assert ours - {StrEnum} == set(_WIRE)


@pytest.mark.parametrize("kind", _WIRE, ids=lambda kind: kind.__name__)
def test_members_and_numbers_are_the_same_list(kind: type[StrEnum]) -> None:
    wire, _ = _WIRE[kind]
    assert {number_of(member_of(kind, number)) for number in wire.values()} == set(wire.values())
    assert {member_of(kind, number_of(member)) for member in kind} == set(kind)


@pytest.mark.parametrize("number", [0, 77, -1])
def test_what_is_not_known_is_unknown(number: int) -> None:
    assert member_of(KeyVersionState, number) is KeyVersionState.UNKNOWN


def test_states_are_not_mixed_up() -> None:
    assert member_of(KeyVersionState, keys_pb2.KEY_VERSION_STATE_COMPROMISED) is KeyVersionState.COMPROMISED
    wanted = common_pb2.ALGORITHM_MLDSA44_ECDSA_P256_SHA256
    assert member_of(Algorithm, wanted) is Algorithm.MLDSA44_ECDSA_P256_SHA256


@pytest.mark.parametrize("text", ["id-MLDSA65-ECDSA-P256-SHA512", "mldsa65-ecdsa-p256-sha512"])
def test_people_may_write_an_algorithm_as_they_like(text: str) -> None:
    assert enum_argument(Algorithm, text, "algorithm") is Algorithm.MLDSA65_ECDSA_P256_SHA512


def test_a_member_is_itself() -> None:
    for member in set(Algorithm) - {Algorithm.UNKNOWN}:
        assert enum_argument(Algorithm, member, "algorithm") is member


@pytest.mark.parametrize("text", ["", "UNKNOWN", "unknown", "id-", "RSA"])
def test_unknown_is_no_choice(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        enum_argument(RevocationReason, text, "reason")
    assert "KEY_COMPROMISE" in refused.value.message


def test_waiting() -> None:
    assert log_wait_argument("committed") == common_pb2.LOG_WAIT_COMMITTED
    assert log_wait_argument("published") == common_pb2.LOG_WAIT_PUBLISHED
    with pytest.raises(InvalidArgument):
        log_wait_argument("forever")


def test_a_time_needs_a_zone() -> None:
    moment = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
    assert timestamp(moment, "effective_time").ToDatetime(tzinfo=UTC) == moment
    with pytest.raises(InvalidArgument, match="effective_time"):
        timestamp(moment.replace(tzinfo=None), "effective_time")
