import grpc
import pytest
from google.rpc import error_details_pb2

from kms.core import errors
from kms.core.errors import Reason, ServiceError
from kms.server.errors import CODES, code_of, to_status
from kms.tenants.exceeded import Limit, LimitExceeded


def _details(error: ServiceError) -> dict[str, object]:
    found = {}
    for packed in to_status(error, "call-1").details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        message = kind()
        assert packed.Unpack(message)
        assert packed.TypeName() not in found
        found[packed.TypeName().rpartition(".")[2]] = message
    return found


def test_every_kind_of_error_has_its_code() -> None:
    assert set(CODES) == set(ServiceError.__subclasses__())


def test_a_features_own_error_has_the_code_of_its_kind() -> None:
    class KeyMissing(errors.NotFound):
        pass

    assert code_of(KeyMissing(Reason.RESOURCE_NOT_FOUND, "x")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("kind", sorted(CODES, key=lambda kind: kind.__name__))
def test_exactly_one_error_info_always(kind: type[ServiceError]) -> None:
    error = kind(Reason.INTERNAL, "a sentence", metadata={"a": "b"})
    status = to_status(error, "call-1")
    info = _details(error)["ErrorInfo"]
    assert status.message == "a sentence"
    assert status.code == code_of(error).value[0]
    assert (info.reason, info.domain, dict(info.metadata)) == (
        "INTERNAL",
        "hallmark.v1",
        {"a": "b", "call_id": "call-1"},
    )


def test_details_say_what_helps() -> None:
    field = _details(errors.InvalidArgument(Reason.FIELD_INVALID, "bad", field="context"))
    assert field["BadRequest"].field_violations[0].field == "context"
    state = _details(errors.FailedPrecondition(Reason.KEY_REVOKED, "gone", resource="tenants/a/keys/b"))
    assert state["PreconditionFailure"].violations[0].subject == "tenants/a/keys/b"
    assert state["ResourceInfo"].resource_name == "tenants/a/keys/b"
    slow = _details(errors.ResourceExhausted(Reason.RATE_LIMITED, "slow", retry_after_seconds=1.5))
    assert (slow["RetryInfo"].retry_delay.seconds, slow["RetryInfo"].retry_delay.nanos) == (1, 500_000_000)
    assert slow["QuotaFailure"].violations


def test_the_code_of_an_error_is_grpcs() -> None:
    assert code_of(errors.NotFound(Reason.RESOURCE_NOT_FOUND, "x")) is grpc.StatusCode.NOT_FOUND


def test_a_limit_that_is_somebodys_says_whose_and_which() -> None:
    limit = Limit.of_tenant("acme", "keys", "keys-of-tenant", 100)
    error = LimitExceeded(Reason.QUOTA_EXCEEDED, "100 keys are there", limit, retry_after_seconds=60)
    found = _details(error)
    (violation,) = found["QuotaFailure"].violations
    assert violation.subject == "tenant:acme"
    assert (violation.quota_metric, violation.quota_id, violation.quota_value) == (
        "hallmark.v1/keys",
        "keys-of-tenant",
        100,
    )
    assert violation.description == "100 keys are there"
    assert found["RetryInfo"].retry_delay.seconds == 60
    assert dict(found["ErrorInfo"].metadata) == {"limit": "keys-of-tenant", "value": "100", "call_id": "call-1"}
