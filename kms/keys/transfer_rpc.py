"""GetWrappingKey, ImportKey and ExportKey on the wire. Part of KeyServicer (rpc.py)."""

import re
from dataclasses import dataclass

from hallmark.v1 import common_pb2, keys_pb2
from kms.core.call import Call
from kms.core.checksum import crc32c
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName, TenantName, check_id
from kms.keys import settings_wire, wire
from kms.keys.exports import ExportService, Recipient
from kms.keys.imports import ImportService, KeyImport
from kms.keys.purposes import check_algorithm
from kms.keys.wrapping import WrappingKeys
from kms.log.wire import promise_to_wire, wants_published

_ENVELOPE_BYTES_MAX = 32 * 1024
_EXPORTED_AS = re.compile(r"tenants/([a-z0-9-]{1,63})/keys/[a-z0-9-]{1,63}/versions/[1-9][0-9]{0,8}")


@dataclass(frozen=True, slots=True)
class KeyTransferServicer:
    wrapping: WrappingKeys
    imports: ImportService
    exports: ExportService

    async def get_wrapping_key(self, request: keys_pb2.GetWrappingKeyRequest, call: Call) -> keys_pb2.WrappingKey:
        call.caller.may_see(TenantName.parse(request.parent).tenant, request.parent)
        found = await self.wrapping.current(call.now)
        message = keys_pb2.WrappingKey(
            name=str(found.version.name),
            algorithm=wire.algorithm_to_wire(found.version.algorithm.title),
            public_key=found.version.public_bytes,
            public_key_crc32c=crc32c(found.version.public_bytes),
            creation_event_key=found.version.creation_event,
            payload=found.payload,
            signature=wire.service_signature_to_wire(found.signature),
        )
        message.not_after.FromDatetime(found.not_after)
        return message

    async def import_key(self, request: keys_pb2.ImportKeyRequest, call: Call) -> keys_pb2.ImportKeyResponse:
        key, promise, replayed = await self.imports.import_key(
            _import_from_wire(request, call),
            request=RequestKey.of_message(call.caller, call.method, request),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.ImportKeyResponse(key=wire.key_to_wire(key), log=promise_to_wire(promise), replayed=replayed)

    async def export_key(self, request: keys_pb2.ExportKeyRequest, call: Call) -> keys_pb2.ExportKeyResponse:
        name = KeyVersionName.parse(request.name)
        call.caller.may_see(name.tenant, request.name)
        recipient = Recipient(
            wire.algorithm_from_wire(request.recipient.algorithm, "recipient.algorithm"), request.recipient.public_key
        )
        exported, replayed = await self.exports.export(
            name,
            recipient,
            proposal=request.proposal,
            request=RequestKey.of_message(call.caller, call.method, request),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.ExportKeyResponse(
            name=str(exported.version.name),
            algorithm=wire.algorithm_to_wire(exported.version.algorithm.title),
            purpose=wire.purpose_to_wire(exported.purpose),
            public_key=exported.version.public_bytes,
            envelope=exported.envelope,
            envelope_crc32c=crc32c(exported.envelope),
            log=promise_to_wire(exported.promise),
            replayed=replayed,
        )


def _import_from_wire(request: keys_pb2.ImportKeyRequest, call: Call) -> KeyImport:
    """Raises InvalidArgument, NotFound."""
    tenant = TenantName.parse(request.parent).tenant
    call.caller.may_see(tenant, request.parent)
    if request.algorithm == common_pb2.ALGORITHM_UNSPECIFIED:
        raise InvalidArgument(Reason.FIELD_INVALID, "algorithm is required: what the key is for", field="algorithm")
    purpose, algorithm = wire.kind_from_wire(request.purpose, request.algorithm)
    check_algorithm(purpose, algorithm)
    _check_envelope(request)
    _check_sender(request.exported_as, tenant)
    return KeyImport(
        name=KeyName(tenant, check_id(request.key_id, "key_id")),
        algorithm=algorithm,
        purpose=purpose,
        wrapping_key=KeyVersionName.parse(request.wrapping_key, "wrapping_key"),
        envelope=request.envelope,
        public_key=request.public_key,
        exported_as=request.exported_as,
        labels=wire.labels_from_wire(request.labels),
        settings=settings_wire.settings_from_wire(request),
    )


def _check_sender(exported_as: str, tenant: str) -> None:
    """All tenants share the wrapping key, and the info of an export names its sender only: without this, whoever gets
    hold of the envelope could import it as theirs, and export it again. Raises InvalidArgument.
    """
    if not exported_as:
        return
    found = _EXPORTED_AS.fullmatch(exported_as)
    if found is None:
        raise InvalidArgument(
            Reason.NAME_INVALID, "exported_as must look like tenants/{tenant}/keys/{key}/versions/{number}"
        )
    if found[1] != tenant:
        raise InvalidArgument(
            Reason.IMPORT_REFUSED,
            f"a key that tenants/{found[1]} exported is imported by the tenant of that name only",
            field="exported_as",
        )


def _check_envelope(request: keys_pb2.ImportKeyRequest) -> None:
    if not 1 <= len(request.envelope) <= _ENVELOPE_BYTES_MAX:
        raise InvalidArgument(
            Reason.FIELD_INVALID, f"envelope must have 1 to {_ENVELOPE_BYTES_MAX} bytes", field="envelope"
        )
    if request.HasField("envelope_crc32c") and request.envelope_crc32c != crc32c(request.envelope):
        raise InvalidArgument(
            Reason.CHECKSUM_MISMATCH, "envelope_crc32c is not that of envelope; send it again", field="envelope"
        )
