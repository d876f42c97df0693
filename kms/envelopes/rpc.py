"""EnvelopeService on the wire."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from google.rpc import status_pb2

from hallmark.v1 import envelopes_pb2, envelopes_pb2_grpc
from kms.core.call import Call
from kms.core.errors import ServiceError
from kms.core.idempotency import RequestKey
from kms.core.names import KeyVersionName, TenantName
from kms.envelopes import wire
from kms.envelopes.data_keys import DataKeys
from kms.envelopes.model import Opened, Opening
from kms.envelopes.opening import EnvelopeOpener
from kms.envelopes.shredding import Shredder
from kms.envelopes.statements import EnvelopeKeys
from kms.keys.resolve import KeyReference, parse_reference
from kms.keys.verdict_gate import claimant
from kms.log.wire import wants_published

_OPEN_METHOD: Final = "/hallmark.v1.EnvelopeService/OpenEnvelope"
StatusOf = Callable[[ServiceError, str], status_pb2.Status]
"""The one translation of errors to google.rpc.Status, which a batch puts into its answer; with the id of the call."""


def _own_version(text: str, call: Call) -> KeyVersionName:
    name = KeyVersionName.parse(text)
    call.caller.may_see(name.tenant, text)
    return name


def _own_reference(text: str, call: Call) -> KeyReference:
    name = parse_reference(text)
    call.caller.may_see(name.tenant, text)
    return name


def _opening_key(request: envelopes_pb2.OpenEnvelopeRequest, call: Call) -> RequestKey:
    """A retry may come alone or in a batch: it is the same call."""
    return RequestKey.of_message(call.caller, _OPEN_METHOD, request)


@dataclass(frozen=True, slots=True)
class EnvelopeServicer(envelopes_pb2_grpc.EnvelopeServiceServicer):
    statements: EnvelopeKeys
    opener: EnvelopeOpener
    data_keys: DataKeys
    shredder: Shredder
    status_of: StatusOf

    async def GetEnvelopeKey(
        self, request: envelopes_pb2.GetEnvelopeKeyRequest, call: Call
    ) -> envelopes_pb2.EnvelopeKey:
        statement = await self.statements.get(_own_reference(request.name, call), call.now)
        return wire.envelope_key_to_wire(statement)

    async def OpenEnvelope(
        self, request: envelopes_pb2.OpenEnvelopeRequest, call: Call
    ) -> envelopes_pb2.OpenEnvelopeResponse:
        opened = await self.opener.open(self._opening(request, call), call.now)
        return wire.opened_to_wire(opened)

    async def OpenEnvelopes(
        self, request: envelopes_pb2.OpenEnvelopesRequest, call: Call
    ) -> envelopes_pb2.OpenEnvelopesResponse:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        wire.check_batch_size(request)
        read = [self._opening_or_refusal(each, call) for each in request.requests]
        outcomes = iter(await self.opener.open_many([each for each in read if isinstance(each, Opening)], call.now))
        results = [each if isinstance(each, ServiceError) else next(outcomes) for each in read]
        return envelopes_pb2.OpenEnvelopesResponse(results=[self._result(each, call) for each in results])

    async def GenerateDataKey(
        self, request: envelopes_pb2.GenerateDataKeyRequest, call: Call
    ) -> envelopes_pb2.GenerateDataKeyResponse:
        data_key = await self.data_keys.generate(
            _own_reference(request.name, call),
            info=wire.info_from_wire(request.info),
            request=RequestKey.of_message(call.caller, call.method, request),
            now=call.now,
            who=claimant(self.opener.verdicts, request.device, call.caller),
        )
        return wire.data_key_to_wire(data_key)

    async def ShredEpoch(
        self, request: envelopes_pb2.ShredEpochRequest, call: Call
    ) -> envelopes_pb2.ShredEpochResponse:
        shredding, replayed = await self.shredder.shred(
            _own_version(request.name, call),
            proposal=request.proposal,
            request=RequestKey.of_message(call.caller, call.method, request),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return wire.shredding_to_wire(shredding, replayed=replayed)

    def _result(self, outcome: Opened | ServiceError, call: Call) -> envelopes_pb2.OpenEnvelopesResponse.Result:
        if isinstance(outcome, ServiceError):
            return envelopes_pb2.OpenEnvelopesResponse.Result(error=self.status_of(outcome, call.id))
        return envelopes_pb2.OpenEnvelopesResponse.Result(response=wire.opened_to_wire(outcome))

    def _opening(self, request: envelopes_pb2.OpenEnvelopeRequest, call: Call) -> Opening:
        name = _own_version(request.name, call)
        who = claimant(self.opener.verdicts, request.device, call.caller)
        return wire.opening_from_wire(request, name, _opening_key(request, call), who)

    def _opening_or_refusal(self, request: envelopes_pb2.OpenEnvelopeRequest, call: Call) -> Opening | ServiceError:
        try:
            return self._opening(request, call)
        except ServiceError as error:
            return error
