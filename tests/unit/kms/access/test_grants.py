"""Giving, listing and taking back; what a grant can not be."""

import json
import uuid
from typing import Any

import pytest

from hallmark.v1 import access_pb2
from kms.access import grants
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Reason, ResourceExhausted
from unit.kms.access.bench import BACKEND, PARENT, AccessBench

BOB = BACKEND.spiffe_id
BELOW = "spiffe://hallmark.test/tenants/default"
SIGN = "SigningService.Sign"


async def _list(bench: AccessBench, **fields: Any) -> access_pb2.ListGrantsResponse:
    request = access_pb2.ListGrantsRequest(**{"parent": PARENT, **fields})
    return await bench.servicer.ListGrants(request, bench.call("ListGrants"))


async def test_a_grant_is_kept_and_logged_without_names(bench: AccessBench) -> None:
    answer = await bench.grant(
        BOB, SIGN, resources=[f"{PARENT}/keys/pay*"], condition="context.post_quantum", reason="release"
    )
    grant = answer.grant
    assert (grant.principal, list(grant.actions), grant.grantor) == (BOB, [SIGN], f"{BELOW}/admin/alice")
    entry = json.loads(answer.log.entry)
    assert (entry["type"], entry["subject"], entry["details"]["actions"]) == ("grant.created", grant.name, [SIGN])
    assert set(entry["commitments"]) == {"by", "principal", "reason", "terms_sha256"}
    for word in ("bob", "alice", "release", "pay"):
        assert word not in answer.log.entry.decode()
    request = access_pb2.GetGrantRequest(name=grant.name)
    assert await bench.servicer.GetGrant(request, bench.call("GetGrant")) == grant


async def test_replays(bench: AccessBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.grant(BOB, SIGN, request_id=request_id)
    again = await bench.grant(BOB, SIGN, request_id=request_id)
    assert (again.grant, again.replayed) == (first.grant, True)
    assert len((await _list(bench)).grants) == 1


async def test_taking_back(bench: AccessBench) -> None:
    name = (await bench.grant(BOB, SIGN)).grant.name
    revoked = await bench.revoke(name)
    assert revoked.grant.HasField("revoke_time")
    assert json.loads(revoked.log.entry)["type"] == "grant.revoked"
    with pytest.raises(FailedPrecondition) as refused:
        await bench.revoke(name)
    assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
    assert not (await _list(bench)).grants
    assert [grant.name for grant in (await _list(bench, show_ended=True)).grants] == [name]


async def test_pages_and_principals(bench: AccessBench) -> None:
    names = []
    for number in range(3):
        names.append((await bench.grant(f"{BELOW}/backend/b{number}", SIGN)).grant.name)
        bench.service.clock.advance(1)
    page = await _list(bench, page_size=2)
    assert [grant.name for grant in page.grants] == names[:0:-1]
    rest = await _list(bench, page_size=2, page_token=page.next_page_token)
    assert ([grant.name for grant in rest.grants], rest.next_page_token) == (names[:1], "")
    assert [grant.name for grant in (await _list(bench, principal=f"{BELOW}/backend/b1")).grants] == [names[1]]
    bench.service.clock.jump(86_400)
    assert not (await _list(bench)).grants


@pytest.mark.parametrize("principal", [f"{BELOW}/admin/alice", f"{BELOW}/admin/*", f"{BELOW}/*", f"{BELOW}/admin/al*"])
async def test_nobody_grants_themselves_anything(bench: AccessBench, principal: str) -> None:
    with pytest.raises(PermissionDenied) as refused:
        await bench.grant(principal, SIGN)
    assert refused.value.reason is Reason.ACCESS_DENIED
    assert not (await _list(bench)).grants


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"principal": "*"}, "grant.principal"),
        ({"principal": "spiffe://hallmark.test/tenants/*"}, "grant.principal"),
        ({"principal": "spiffe://hallmark.test/tenants/default*"}, "grant.principal"),
        ({"principal": "spiffe://hallmark.test/tenants/other/backend/bob"}, "grant.principal"),
        ({"principal": "spiffe://other.test/tenants/default/backend/bob"}, "grant.principal"),
        ({"principal": f"{BELOW}/*/bob"}, "grant.principal"),
        ({"principal": f"{BELOW}/king/bob"}, "grant.principal"),
        ({"actions": ["SigningService.Sing"]}, "grant.actions"),
        ({"actions": ["*"]}, "grant.actions"),
        ({"actions": ["SigningService"]}, "grant.actions"),
        ({"actions": []}, "grant.actions"),
        ({"actions": ["Health.Check"]}, "grant.actions"),
        ({"resources": ["tenants/other/keys/k"]}, "grant.resources"),
        ({"resources": ["tenants/default*"]}, "grant.resources"),
        ({"resources": ["tenants/default2/keys/k"]}, "grant.resources"),
        ({"resources": ["tenants/default/keys/*/versions/1"]}, "grant.resources"),
        ({"resources": ['tenants/default/keys/k"']}, "grant.resources"),
        ({"days": 90.01}, "grant.expire_time"),
        ({"days": 0}, "grant.expire_time"),
        ({"condition": "context.postquantum"}, "grant.condition"),
        ({"condition": "true }; permit(principal, action, resource) when { true"}, "grant.condition"),
        ({"condition": "true } unless { false"}, "grant.condition"),
        ({"condition": "true } when { true"}, "grant.condition"),
        ({"condition": "1 + 1"}, "grant.condition"),
        ({"condition": "(" * 30}, "grant.condition"),
        ({"condition": "true " * 1000}, "grant.condition"),
        ({"reason": "a\nb"}, "grant.reason"),
        ({"name": f"{PARENT}/grants/x"}, "grant.name"),
        ({"grantor": "me"}, "grant.grantor"),
    ],
)
async def test_what_a_grant_can_not_be(bench: AccessBench, more: dict[str, Any], field: str) -> None:
    wanted = {"principal": BOB, "actions": [SIGN], **more}
    with pytest.raises(InvalidArgument) as refused:
        await bench.grant(wanted.pop("principal"), *wanted.pop("actions"), **wanted)
    assert refused.value.field == field
    assert not (await _list(bench, show_ended=True)).grants


@pytest.mark.parametrize("condition", ["true // all", 'resource.kind == "keys"', "context.hour < 12 || true"])
async def test_conditions(bench: AccessBench, condition: str) -> None:
    assert (await bench.grant(BOB, SIGN, condition=condition)).grant.condition == condition


async def test_there_are_only_so_many(bench: AccessBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.access.granting.LIVE_MAX", 2)
    assert grants.LIVE_MAX > 2
    first = (await bench.grant(BOB, SIGN)).grant.name
    await bench.grant(BOB, SIGN)
    with pytest.raises(ResourceExhausted):
        await bench.grant(BOB, SIGN)
    await bench.revoke(first)
    await bench.grant(BOB, SIGN)


async def test_other_tenants_see_nothing(bench: AccessBench) -> None:
    name = (await bench.grant(BOB, SIGN)).grant.name
    with pytest.raises(NotFound):
        await bench.revoke(name, tenant="other")
    request = access_pb2.GetGrantRequest(name=name)
    with pytest.raises(NotFound):
        await bench.servicer.GetGrant(request, bench.call("GetGrant", tenant="other"))
    with pytest.raises(NotFound):
        await bench.grant(BOB, SIGN, who={"tenant": "other"})


async def test_a_condition_may_not_be_slow(bench: AccessBench) -> None:
    """Up to 200 grants are looked at for each call that nobody remembers."""
    pattern = "*" + "a" * grants.PATTERN_CHARACTERS_MAX
    with pytest.raises(InvalidArgument) as refused:
        await bench.grant(BOB, SIGN, condition=f'resource.name like "{pattern}b"')
    assert refused.value.field == "grant.condition"
    await bench.grant(BOB, SIGN, condition='resource.name like "*/keys/pay*"', resources=[f"{PARENT}/{'k' * 90}*"] * 40)
