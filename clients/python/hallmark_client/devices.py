"""client.devices: attest a device, look at it."""

from collections.abc import Sequence

from hallmark.v1 import devices_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.devices import Attestation, Challenge, Device
from hallmark_client.model.enums import EvidenceFormat, LogWait
from hallmark_client.wire.devices import attestation_of, challenge_of, device_of
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of


class Devices:
    """Reached as `client.devices`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create_challenge(self, *, request_id: str | None = None) -> Challenge:
        """32 fresh random bytes for one attestation, good for a few minutes."""
        request = devices_pb2.CreateChallengeRequest(
            parent=self._calls.names.parent, request_id=self._calls.request_id(request_id)
        )
        return self._calls(rpc.CREATE_CHALLENGE, request, challenge_of)

    def attest(
        self,
        challenge_name: str,
        certificates: Sequence[bytes],
        *,
        key_spki: bytes | None = None,
        evidence_format: EvidenceFormat | str = EvidenceFormat.ANDROID_KEY,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Attestation:
        """Give evidence over a challenge. A refusal is an answer: look at `.verdict`, whose reasons say why.

        certificates: DER, leaf first, root last, at most 8 and 64 KiB together. key_spki: SubjectPublicKeyInfo (DER)
        that the attested key must equal. Raises FailedPrecondition (CHALLENGE_USED, CHALLENGE_EXPIRED), NotFound,
        InvalidArgument (EVIDENCE_TOO_LARGE).
        """
        kind = enum_argument(EvidenceFormat, evidence_format, "evidence_format")
        request = devices_pb2.AttestDeviceRequest(
            challenge=self._calls.names.challenge(challenge_name),
            evidence=devices_pb2.Evidence(format=number_of(kind), certificates=certificates),
            key_spki=key_spki or b"",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.ATTEST_DEVICE, request, attestation_of)

    def get(self, name: str) -> Device:
        """A device by its id or full name. Raises NotFound."""
        request = devices_pb2.GetDeviceRequest(name=self._calls.names.device(name))
        return self._calls(rpc.GET_DEVICE, request, device_of)
