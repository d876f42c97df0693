"""The part of client.keys that brings private keys in and lets them out, always sealed on the way."""

from collections.abc import Mapping
from typing import Unpack

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.checksum import crc32c
from hallmark_client.model.enums import Algorithm, KeyPurpose, LogWait
from hallmark_client.model.keys import Key
from hallmark_client.model.transfer import ExportedKey, Recipient, WrappingKey
from hallmark_client.put_settings import Settings, put_kind, put_settings
from hallmark_client.wire.keys import changed_key_of
from hallmark_client.wire.scalars import log_wait_argument, number_of
from hallmark_client.wire.transfer import exported_key_of, wrapping_key_of


class KeyTransfer:
    """Part of `client.keys`.

    A key that another service exported straight to this one's wrapping key:

        exported = there.keys.export("manifest/versions/1", here.keys.wrapping_key().recipient, proposal=approved)
        here.keys.import_key(
            "manifest", algorithm=exported.algorithm, envelope=exported.envelope, wrapping_key=wrapping_key.name,
            public_key=exported.public_key, exported_as=exported.name,
        )
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def wrapping_key(self) -> WrappingKey:
        """The key that private keys are sealed to on their way in; `verify` it before you seal to it yourself."""
        request = keys_pb2.GetWrappingKeyRequest(parent=self._calls.names.parent)
        return self._calls(rpc.GET_WRAPPING_KEY, request, wrapping_key_of)

    def import_key(
        self,
        key_id: str,
        *,
        algorithm: Algorithm | str,
        envelope: bytes,
        wrapping_key: str,
        public_key: bytes,
        exported_as: str = "",
        purpose: KeyPurpose | str | None = None,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
        **settings: Unpack[Settings],
    ) -> Key:
        """Make a key from a private key that was made elsewhere; its first version says IMPORTED for ever.

        envelope: of `VerifiedWrappingKey.seal` for the version `{key_id}/versions/1`, or of another service's `export`
        (then exported_as is the name of the version there). wrapping_key: name of the key it is sealed to. public_key:
        raw; the private key must belong to it. settings and the rest as for `create`.
        Raises EnvelopeInvalid, InvalidArgument (IMPORT_REFUSED), AlreadyExists (KEY_EXISTS), FailedPrecondition
        (ALGORITHM_UNSUPPORTED: the token takes no such key).
        """
        request = keys_pb2.ImportKeyRequest(
            parent=self._calls.names.parent,
            key_id=key_id,
            wrapping_key=wrapping_key,
            envelope=envelope,
            envelope_crc32c=crc32c(envelope),
            public_key=public_key,
            exported_as=exported_as,
            labels=dict(labels or {}),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        put_kind(request, algorithm, purpose)
        put_settings(request, **settings)
        return self._calls(rpc.IMPORT_KEY, request, changed_key_of)

    def export(
        self,
        version: str,
        recipient: Recipient,
        *,
        proposal: str,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> ExportedKey:
        """The private key of a version, sealed to the recipient that the proposal names; every export takes its own.

        proposal: an approved one, made with approvals.propose("EXPORT", version, parameters_sha256=recipient.sha256).
        Raises FailedPrecondition: EXPORT_FORBIDDEN (made to stay), KEY_VERSION_NOT_ACTIVE, APPROVAL_REQUIRED,
        PROPOSAL_NOT_APPROVED (too few, or about another recipient), PROPOSAL_EXPIRED, PROPOSAL_USED.
        """
        request = keys_pb2.ExportKeyRequest(
            name=self._calls.names.key(version),
            recipient=keys_pb2.ExportRecipient(
                algorithm=number_of(recipient.algorithm), public_key=recipient.public_key
            ),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.EXPORT_KEY, request, exported_key_of)
