"""client.envelopes: seal to a published key, here; open in the HSM boundary."""

from collections.abc import Iterator, Sequence
from typing import Final

from hallmark.v1 import envelopes_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.checksum import crc32c
from hallmark_client.errors import HallmarkError, Internal
from hallmark_client.model.enums import LogWait
from hallmark_client.model.envelopes import DataKey, EnvelopeKey, OpenedEnvelope, SealedEnvelope, Shredding
from hallmark_client.wire.envelopes import data_key_of, envelope_key_of, opened_many_of, opened_of, shredding_of
from hallmark_client.wire.scalars import log_wait_argument

_BATCH_MAX: Final = 256
_BATCH_BYTES_MAX: Final = 3 * 1024 * 1024
"""A message may have 4 MiB."""


class Envelopes:
    """Reached as `client.envelopes`. Names may be short: "telemetry", "telemetry/versions/2".

    Sealing needs no permission and no call but the first:

        key = client.envelopes.key("telemetry").verify(trusted_keys)
        sealed = key.seal(events, info=b"events/v1", now=datetime.now(UTC))
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def key(self, name: str) -> EnvelopeKey:
        """The key to seal to now, of a key or an alias; `verify` it. Good until its `not_after`.

        Raises NotFound, FailedPrecondition (PURPOSE_MISMATCH, KEY_VERSION_NOT_ACTIVE, KEY_REVOKED, KEY_EXPIRED).
        """
        request = envelopes_pb2.GetEnvelopeKeyRequest(name=self._calls.names.key(name))
        return self._calls(rpc.GET_ENVELOPE_KEY, request, envelope_key_of)

    def open(
        self,
        sealed: SealedEnvelope,
        *,
        info: bytes = b"",
        device: str = "",
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> OpenedEnvelope:
        """Open one envelope. Every opening is logged; with the request_id of an earlier call it is not logged again.

        device: on whose behalf, for a key with an attestation gate; empty for a device that calls itself.

        Raises EnvelopeInvalid (another key, other info, or changed bytes; never which), FailedPrecondition
        (KEY_VERSION_NOT_ACTIVE when the epoch was shredded, USAGE_LIMIT_REACHED), NotFound.
        """
        return self._calls(rpc.OPEN_ENVELOPE, self._opening(sealed, info, device, request_id, wait), opened_of)

    def open_many(
        self, sealed: Sequence[SealedEnvelope], *, info: bytes = b"", device: str = "", wait: LogWait = "committed"
    ) -> list[OpenedEnvelope | HallmarkError]:
        """Open any number, with as few calls as fit. In their order, for each what came out, or why it did not."""
        outcomes: list[OpenedEnvelope | HallmarkError] = []
        for batch in _batches([self._opening(each, info, device, None, wait) for each in sealed]):
            request = envelopes_pb2.OpenEnvelopesRequest(parent=self._calls.names.parent, requests=batch)
            opened = self._calls(rpc.OPEN_ENVELOPES, request, opened_many_of)
            if len(opened) != len(batch):
                raise Internal("ANSWER_INVALID", f"{len(opened)} answers came for {len(batch)} envelopes")
            outcomes += opened
        return outcomes

    def data_key(self, name: str, *, info: bytes = b"", device: str = "", request_id: str | None = None) -> DataKey:
        """A fresh AES-256 key, in clear and sealed to the current epoch. device: as for `open`. Raises as `key`."""
        request = envelopes_pb2.GenerateDataKeyRequest(
            name=self._calls.names.key(name),
            info=info,
            device=self._calls.names.device_or_none(device),
            request_id=self._calls.request_id(request_id),
        )
        return self._calls(rpc.GENERATE_DATA_KEY, request, data_key_of)

    def shred(
        self, version: str, *, proposal: str = "", request_id: str | None = None, wait: LogWait = "committed"
    ) -> Shredding:
        """Destroy the private key of an epoch, at once and for ever. Rotate the key first: nobody may seal to it now.

        proposal: an approved one, where the server asks for approvals.
        Raises FailedPrecondition (STATE_TRANSITION_INVALID, APPROVAL_REQUIRED, PROPOSAL_NOT_APPROVED...), NotFound.
        """
        request = envelopes_pb2.ShredEpochRequest(
            name=self._calls.names.key(version),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.SHRED_EPOCH, request, shredding_of)

    def _opening(
        self, sealed: SealedEnvelope, info: bytes, device: str, request_id: str | None, wait: LogWait
    ) -> envelopes_pb2.OpenEnvelopeRequest:
        return envelopes_pb2.OpenEnvelopeRequest(
            name=self._calls.names.key(sealed.key_version),
            envelope=sealed.envelope,
            info=info,
            device=self._calls.names.device_or_none(device),
            envelope_crc32c=crc32c(sealed.envelope),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )


def _batches(
    requests: Sequence[envelopes_pb2.OpenEnvelopeRequest],
) -> Iterator[list[envelopes_pb2.OpenEnvelopeRequest]]:
    batch: list[envelopes_pb2.OpenEnvelopeRequest] = []
    size = 0
    for request in requests:
        length = request.ByteSize()
        if batch and (len(batch) == _BATCH_MAX or size + length > _BATCH_BYTES_MAX):
            yield batch
            batch, size = [], 0
        batch.append(request)
        size += length
    if batch:
        yield batch
