"""client.devices: attest devices, look at them and at what was found."""

from collections.abc import Iterator, Sequence

from hallmark.v1 import devices_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.devices import (
    Attestation,
    Challenge,
    Device,
    DeviceHpkeKey,
    Evidence,
    TpmKeys,
    Verdict,
    VerdictReplay,
)
from hallmark_client.model.enums import ChallengePurpose, DeviceClass, DeviceState, EvidenceFormat, LogWait
from hallmark_client.wire.devices import (
    attestation_of,
    challenge_of,
    device_of,
    devices_of,
    evidence_argument,
    hpke_argument,
    replay_of,
    tpm_argument,
    verdict_of,
)
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of


class Devices:
    """Reached as `client.devices`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create_challenge(
        self,
        *,
        purpose: ChallengePurpose | str = ChallengePurpose.FIRST_BOOT,
        key_spki: bytes | None = None,
        tpm: TpmKeys | None = None,
        request_id: str | None = None,
    ) -> Challenge:
        """32 fresh random bytes for one attestation, good for a few minutes, for this purpose, and for evidence that
        attests key_spki when it is given.

        tpm: to enrol the attestation key of a TPM. The bytes come in a credential that only this TPM can open; send
        what it opened as part "activated-secret" of tpm evidence. Raises InvalidArgument.
        """
        request = devices_pb2.CreateChallengeRequest(
            parent=self._calls.names.parent,
            request_id=self._calls.request_id(request_id),
            purpose=number_of(enum_argument(ChallengePurpose, purpose, "purpose")),
            key_spki=key_spki or b"",
            tpm=tpm_argument(tpm),
        )
        return self._calls(rpc.CREATE_CHALLENGE, request, challenge_of)

    def attest(
        self,
        challenge_name: str,
        evidence: Evidence | Sequence[bytes],
        *,
        key_spki: bytes | None = None,
        evidence_format: EvidenceFormat | str = EvidenceFormat.ANDROID_KEY,
        purpose: ChallengePurpose | str = ChallengePurpose.FIRST_BOOT,
        certificate_request: bytes | None = None,
        hpke_key: DeviceHpkeKey | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Attestation:
        """Give evidence over a challenge. A refusal is an answer: look at `.verdict`, whose reasons say why.

        evidence: an Evidence, or certificates in DER, leaf first, of evidence_format. key_spki: SubjectPublicKeyInfo
        (DER) that must be attested. certificate_request: PKCS #10 (DER) signed by the attested key, for a client
        certificate in the answer. hpke_key: to register, signed by the attested key (`hpke_message`).

        Raises FailedPrecondition (CHALLENGE_USED, CHALLENGE_EXPIRED, CHALLENGE_MISMATCH), NotFound, InvalidArgument
        (EVIDENCE_TOO_LARGE, SIGNATURE_INVALID).
        """
        if not isinstance(evidence, Evidence):
            kind = enum_argument(EvidenceFormat, evidence_format, "evidence_format")
            evidence = Evidence(format=kind, certificates=tuple(evidence))
        request = devices_pb2.AttestDeviceRequest(
            challenge=self._calls.names.challenge(challenge_name),
            evidence=evidence_argument(evidence),
            key_spki=key_spki or b"",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
            purpose=number_of(enum_argument(ChallengePurpose, purpose, "purpose")),
            certificate_request=certificate_request or b"",
            hpke_key=hpke_argument(hpke_key),
        )
        return self._calls(rpc.ATTEST_DEVICE, request, attestation_of)

    def get(self, name: str) -> Device:
        """A device by its id or full name. Raises NotFound."""
        request = devices_pb2.GetDeviceRequest(name=self._calls.names.device(name))
        return self._calls(rpc.GET_DEVICE, request, device_of)

    def list(
        self,
        *,
        state: DeviceState | str | None = None,
        device_class: DeviceClass | str | None = None,
        page_size: int = 0,
    ) -> Iterator[Device]:
        """Every device of the tenant by its id, fetched page by page; only those of a state or class when given."""
        request = devices_pb2.ListDevicesRequest(parent=self._calls.names.parent, page_size=page_size)
        if state is not None:
            request.state = number_of(enum_argument(DeviceState, state, "state"))
        if device_class is not None:
            request.device_class = number_of(enum_argument(DeviceClass, device_class, "device_class"))
        while True:
            devices, request.page_token = self._calls(rpc.LIST_DEVICES, request, devices_of)
            yield from devices
            if not request.page_token:
                return

    def verdict(self, name: str) -> Verdict:
        """A verdict by its id or full name, with its signed result. Raises NotFound."""
        request = devices_pb2.GetVerdictRequest(name=self._calls.names.verdict(name))
        return self._calls(rpc.GET_VERDICT, request, verdict_of)

    def replay(self, name: str) -> VerdictReplay:
        """Have a verdict judged again, as of its time, by what was in force then.

        Raises NotFound, FailedPrecondition (ARCHIVE_INCOMPLETE).
        """
        request = devices_pb2.ReplayVerdictRequest(name=self._calls.names.verdict(name))
        return self._calls(rpc.REPLAY_VERDICT, request, replay_of)
