"""AppraisalService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import appraisal_pb2, appraisal_pb2_grpc
from kms.appraisal import wire
from kms.appraisal.dry_run import DryRunService
from kms.appraisal.model import PolicyName
from kms.appraisal.service import AppraisalService
from kms.core.call import Call
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import TenantName
from kms.keys.paging import page_token, read_page_token
from kms.log.wire import promise_to_wire, wants_published


def _own_policy(text: str, call: Call) -> PolicyName:
    name = PolicyName.parse(text)
    call.caller.may_see(name.tenant, text)
    return name


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def _request_key(
    request: appraisal_pb2.SetPolicyRequest | appraisal_pb2.ActivatePolicyRequest, call: Call
) -> RequestKey:
    return RequestKey.of(call.caller, request.request_id, call.method, request.SerializeToString(deterministic=True))


def _size(given: int, *, default: int, most: int) -> int:
    if not 0 <= given <= most:
        raise InvalidArgument(Reason.FIELD_INVALID, f"page_size must be 0 to {most}", field="page_size")
    return given or default


def _number_before(token: str) -> int | None:
    text = read_page_token(token)
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidArgument(Reason.PAGE_TOKEN_INVALID, "page_token is not one of ours; begin without it")
    return int(text) if text else None


@dataclass(frozen=True, slots=True)
class AppraisalServicer(appraisal_pb2_grpc.AppraisalServiceServicer):
    appraisal: AppraisalService
    trial: DryRunService

    async def SetPolicy(self, request: appraisal_pb2.SetPolicyRequest, call: Call) -> appraisal_pb2.SetPolicyResponse:
        version, promise, replayed = await self.appraisal.set(
            _own_tenant(request.parent, call),
            request.document,
            wire.form_from_wire(request.form),
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return appraisal_pb2.SetPolicyResponse(
            policy=wire.policy_to_wire(version), log=promise_to_wire(promise), replayed=replayed
        )

    async def GetPolicy(self, request: appraisal_pb2.GetPolicyRequest, call: Call) -> appraisal_pb2.Policy:
        return wire.policy_to_wire(await self.appraisal.get(_own_policy(request.name, call)))

    async def ListPolicies(
        self, request: appraisal_pb2.ListPoliciesRequest, call: Call
    ) -> appraisal_pb2.ListPoliciesResponse:
        size = _size(request.page_size, default=20, most=100)
        found = await self.appraisal.newest(
            _own_tenant(request.parent, call), before=_number_before(request.page_token), limit=size + 1
        )
        return appraisal_pb2.ListPoliciesResponse(
            policies=[wire.policy_to_wire(version, with_document=False) for version in found[:size]],
            next_page_token=page_token(str(found[size - 1].name.number)) if len(found) > size else "",
        )

    async def DryRunPolicy(
        self, request: appraisal_pb2.DryRunPolicyRequest, call: Call
    ) -> appraisal_pb2.DryRunPolicyResponse:
        found = await self.trial.run(
            _own_policy(request.name, call),
            after=read_page_token(request.page_token),
            limit=_size(request.page_size, default=100, most=200),
            now=call.now,
        )
        return appraisal_pb2.DryRunPolicyResponse(
            examined=found.examined,
            changes=[wire.change_to_wire(change) for change in found.changes],
            next_page_token=page_token(found.last) if found.last else "",
        )

    async def ActivatePolicy(
        self, request: appraisal_pb2.ActivatePolicyRequest, call: Call
    ) -> appraisal_pb2.ActivatePolicyResponse:
        version, promise, replayed = await self.appraisal.activate(
            _own_policy(request.name, call),
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return appraisal_pb2.ActivatePolicyResponse(
            policy=wire.policy_to_wire(version), log=promise_to_wire(promise), replayed=replayed
        )
