"""AccessService on the wire."""

from dataclasses import dataclass
from typing import Any

from hallmark.v1 import access_pb2, access_pb2_grpc
from kms.access import wire
from kms.access.dry_run import AccessDryRun
from kms.access.explaining import AccessExplained
from kms.access.granting import Granted, Grants
from kms.access.grants import COLLECTION
from kms.access.model import AccessPolicyName, check_title
from kms.access.principals import Principals
from kms.access.question import Circumstances
from kms.access.service import AccessPolicies, Act, Answered
from kms.core.call import Call
from kms.core.errors import InvalidArgument, Reason
from kms.core.idempotency import RequestKey
from kms.core.names import ChildName, TenantName
from kms.keys.paging import page_token, read_page_token
from kms.log.wire import promise_to_wire, wants_published


def _own_policy(text: str, call: Call, field: str = "name") -> AccessPolicyName:
    name = AccessPolicyName.parse(text, field)
    call.caller.may_see(name.tenant, text)
    return name


def _own_grant(text: str, call: Call) -> ChildName:
    name = ChildName.parse(text, COLLECTION)
    call.caller.may_see(name.tenant, text)
    return name


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


def _act(request: Any, call: Call) -> Act:
    return Act(
        caller=call.caller,
        how=_how(call),
        request=RequestKey.of_message(call.caller, call.method, request),
        published=wants_published(request.log_wait),
    )


def _how(call: Call) -> Circumstances:
    return Circumstances(call.channel, call.now)


def _size(given: int, *, default: int, most: int) -> int:
    if not 0 <= given <= most:
        raise InvalidArgument(Reason.FIELD_INVALID, f"page_size must be 0 to {most}", field="page_size")
    return given or default


def _number_before(token: str) -> int | None:
    text = read_page_token(token)
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidArgument(Reason.PAGE_TOKEN_INVALID, "page_token is not one of ours; begin without it")
    return int(text) if text else None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessServicer(access_pb2_grpc.AccessServiceServicer):
    policies: AccessPolicies
    grants: Grants
    trial: AccessDryRun
    explained: AccessExplained
    principals: Principals

    async def SetAccessPolicy(
        self, request: access_pb2.SetAccessPolicyRequest, call: Call
    ) -> access_pb2.SetAccessPolicyResponse:
        tenant, title = _own_tenant(request.parent, call), check_title(request.title)
        if request.validate_only:
            policy = await self.policies.check(tenant, title, request.document)
            return access_pb2.SetAccessPolicyResponse(policy=wire.policy_to_wire(policy))
        return _answer(await self.policies.set(tenant, title, request.document, _act(request, call)))

    async def GetAccessPolicy(self, request: access_pb2.GetAccessPolicyRequest, call: Call) -> access_pb2.AccessPolicy:
        return wire.policy_to_wire(await self.policies.get(_own_policy(request.name, call)))

    async def ListAccessPolicies(
        self, request: access_pb2.ListAccessPoliciesRequest, call: Call
    ) -> access_pb2.ListAccessPoliciesResponse:
        size = _size(request.page_size, default=20, most=100)
        found = await self.policies.newest(
            _own_tenant(request.parent, call), before=_number_before(request.page_token), limit=size + 1
        )
        return access_pb2.ListAccessPoliciesResponse(
            policies=[wire.policy_to_wire(policy, with_document=False) for policy in found[:size]],
            next_page_token=page_token(str(found[size - 1].name.number)) if len(found) > size else "",
        )

    async def DryRunAccessPolicy(
        self, request: access_pb2.DryRunAccessPolicyRequest, call: Call
    ) -> access_pb2.DryRunAccessPolicyResponse:
        name = _own_policy(request.name, call)
        await self.policies.get(name)
        found = await self.trial.run(
            name,
            page_size=_size(request.page_size, default=100, most=1000),
            token=read_page_token(request.page_token),
            now=call.now,
        )
        return access_pb2.DryRunAccessPolicyResponse(
            changes=[wire.change_to_wire(change) for change in found.changes],
            examined=found.examined,
            next_page_token=page_token(found.next_token) if found.next_token else "",
        )

    async def ActivateAccessPolicy(
        self, request: access_pb2.ActivateAccessPolicyRequest, call: Call
    ) -> access_pb2.SetAccessPolicyResponse:
        name = _own_policy(request.name, call)
        return _answer(await self.policies.activate(name, request.proposal, _act(request, call)))

    async def CreateGrant(self, request: access_pb2.CreateGrantRequest, call: Call) -> access_pb2.GrantResponse:
        tenant = _own_tenant(request.parent, call)
        return _granted(await self.grants.create(tenant, wire.grant_from_wire(request.grant), _act(request, call)))

    async def GetGrant(self, request: access_pb2.GetGrantRequest, call: Call) -> access_pb2.Grant:
        return wire.grant_to_wire(await self.grants.get(_own_grant(request.name, call)))

    async def ListGrants(self, request: access_pb2.ListGrantsRequest, call: Call) -> access_pb2.ListGrantsResponse:
        size = _size(request.page_size, default=100, most=1000)
        found = await self.grants.newest(
            _own_tenant(request.parent, call),
            before=read_page_token(request.page_token),
            limit=size + 1,
            principal=request.principal,
            live_at=None if request.show_ended else call.now,
        )
        return access_pb2.ListGrantsResponse(
            grants=[wire.grant_to_wire(grant) for grant in found[:size]],
            next_page_token=page_token(found[size - 1].name.id) if len(found) > size else "",
        )

    async def RevokeGrant(self, request: access_pb2.RevokeGrantRequest, call: Call) -> access_pb2.GrantResponse:
        return _granted(await self.grants.revoke(_own_grant(request.name, call), request.reason, _act(request, call)))

    async def TestAccess(self, request: access_pb2.TestAccessRequest, call: Call) -> access_pb2.TestAccessResponse:
        caller = self.principals.parse(request.principal, _own_tenant(request.parent, call))
        policy = _own_policy(request.policy, call, "policy") if request.policy else None
        await self.explained.check_may_ask(call.caller, _how(call))
        if policy is not None:
            await self.policies.get(policy)
        how = wire.circumstances_from_wire(request.context, _how(call))
        return wire.tested_to_wire(await self.explained.test(caller, request.action, request.resource, how, policy))

    async def ListEffectiveGrants(
        self, request: access_pb2.ListEffectiveGrantsRequest, call: Call
    ) -> access_pb2.ListEffectiveGrantsResponse:
        tenant = _own_tenant(request.parent, call)
        caller = self.principals.parse(request.principal, tenant)
        await self.explained.check_may_ask(call.caller, _how(call))
        found, number = await self.explained.effective(caller, request.resource, call.now)
        return access_pb2.ListEffectiveGrantsResponse(
            grants=[wire.effective_to_wire(grant) for grant in found], policy=str(AccessPolicyName(tenant, number))
        )


def _answer(answered: Answered) -> access_pb2.SetAccessPolicyResponse:
    policy, promise, replayed = answered
    return access_pb2.SetAccessPolicyResponse(
        policy=wire.policy_to_wire(policy), log=promise_to_wire(promise), replayed=replayed
    )


def _granted(granted: Granted) -> access_pb2.GrantResponse:
    grant, promise, replayed = granted
    return access_pb2.GrantResponse(grant=wire.grant_to_wire(grant), log=promise_to_wire(promise), replayed=replayed)
