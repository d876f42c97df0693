"""Setting, reading and activating policies."""

import json
import uuid

import pytest

from attestation.policy import Policy
from attestation.policy_file import FILE_BYTES_MAX, read_policy, write_policy
from hallmark.v1 import appraisal_pb2
from hallmark_client.model.policies import SIGNING_KEY
from hallmark_client.wire.policies import policy_of
from kms.app.appraisal import tenant_policies
from kms.approvals.model import ApprovalPolicy, ProposedAct
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.core.names import KeyName
from unit.kms.appraisal.bench import MILD, NEW_PATCHES, PARENT, AppraisalBench

BUILT_IN, FIRST, SECOND, ACTIVE = (f"{PARENT}/policies/{name}" for name in ("0", "1", "2", "active"))


async def test_the_built_in_policy_is_in_force_until_another_is(bench: AppraisalBench) -> None:
    found = await bench.get()
    assert (found.name, found.state) == (f"{PARENT}/policies/0", appraisal_pb2.POLICY_STATE_ACTIVE)
    assert read_policy(found.document) == bench.source.built_in
    assert not found.HasField("signature")
    await bench.activate((await bench.set()).policy.name)
    assert (await bench.get()).name == FIRST
    assert (await bench.get(f"{PARENT}/policies/0")).state == appraisal_pb2.POLICY_STATE_REPLACED


async def test_a_version_is_pending_signed_and_logged(bench: AppraisalBench) -> None:
    answer = await bench.set()
    policy = answer.policy
    assert (policy.name, policy.title, policy.document) == (FIRST, "mild", MILD)
    assert policy.state == appraisal_pb2.POLICY_STATE_PENDING
    assert not policy.HasField("activate_time")
    key = await bench.devices.service.keys.get(KeyName("system", SIGNING_KEY.rpartition("/")[2]))
    version = key.versions[0]
    policy_of(policy).verify({str(version.name): version.public_key})
    entry = json.loads(answer.log.entry)
    assert (entry["type"], entry["subject"]) == ("policy.set", FIRST)
    assert b"locked" not in answer.log.entry, "reference values are not the log's business"
    assert await bench.source.active("default") == bench.source.built_in, "nothing is judged by it yet"


async def test_the_digest_is_that_of_verdicts(bench: AppraisalBench) -> None:
    answer = await bench.set(write_policy(bench.source.built_in))
    verdict = (await bench.devices.attest_phone()).verdict
    assert answer.policy.policy_sha256 == verdict.input_sha256["policy"]


async def test_activation(bench: AppraisalBench) -> None:
    await bench.set()
    await bench.set(NEW_PATCHES)
    first = await bench.activate(FIRST)
    assert first.policy.state == appraisal_pb2.POLICY_STATE_ACTIVE
    assert await bench.source.active("default") == read_policy(MILD)
    second = await bench.activate(SECOND)
    assert json.loads(second.log.entry)["details"]["replaces"] == 1
    assert await bench.source.active("default") == read_policy(NEW_PATCHES)
    assert (await bench.get(FIRST)).state == appraisal_pb2.POLICY_STATE_REPLACED
    assert bench.notes.woken == ["default", "default"]
    assert [tenant for tenant, _ in bench.notes.noted] == ["default", "default"]
    back = await bench.activate(FIRST)
    assert back.policy.state == appraisal_pb2.POLICY_STATE_ACTIVE, "an earlier version comes back"
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(FIRST)
    assert refused.value.reason is Reason.STATE_TRANSITION_INVALID


async def test_back_to_the_built_in_policy_and_forth(bench: AppraisalBench) -> None:
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(BUILT_IN)
    assert refused.value.reason is Reason.STATE_TRANSITION_INVALID
    await bench.set()
    await bench.activate(FIRST)
    request_id = str(uuid.uuid4())
    back = await bench.activate(BUILT_IN, request_id=request_id)
    assert (back.policy.name, back.policy.state) == (BUILT_IN, appraisal_pb2.POLICY_STATE_ACTIVE)
    assert await bench.source.active("default") == bench.source.built_in
    assert (await bench.get(FIRST)).state == appraisal_pb2.POLICY_STATE_REPLACED
    entry = json.loads(back.log.entry)
    assert (entry["type"], entry["subject"]) == ("policy.activated", BUILT_IN)
    assert entry["details"] == {"policy_sha256": back.policy.policy_sha256, "replaces": 1}
    assert bench.notes.woken == [tenant for tenant, _ in bench.notes.noted] == ["default", "default"]
    assert (await bench.activate(BUILT_IN, request_id=request_id)).replayed
    forth = await bench.activate(FIRST)
    assert json.loads(forth.log.entry)["details"]["replaces"] == 0
    assert await bench.source.active("default") == read_policy(MILD)


async def test_going_back_to_the_built_in_policy_may_take_others(bench: AppraisalBench) -> None:
    await bench.set()
    await bench.activate(FIRST)
    bench.approvals.policy = ApprovalPolicy({ProposedAct.POLICY_CHANGE: 1})
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(BUILT_IN)
    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    assert await bench.source.active("default") == read_policy(MILD)


async def test_another_replica_activates(bench: AppraisalBench) -> None:
    service = bench.devices.service
    other = tenant_policies(service.database, bench.source.built_in, service.clock)
    assert await other.active("default") == bench.source.built_in
    await bench.set()
    await bench.activate(FIRST)
    assert await other.active("default") == bench.source.built_in
    service.clock.advance(1.1)
    assert await other.active("default") == read_policy(MILD)


async def test_lists_are_newest_first_and_without_documents(bench: AppraisalBench) -> None:
    assert not (await bench.list()).policies
    for _ in range(3):
        await bench.set()
    page = await bench.list(page_size=2)
    assert [policy.name.rpartition("/")[2] for policy in page.policies] == ["3", "2"]
    assert not any(policy.document for policy in page.policies)
    rest = await bench.list(page_size=2, page_token=page.next_page_token)
    assert ([policy.name for policy in rest.policies], rest.next_page_token) == ([FIRST], "")
    with pytest.raises(InvalidArgument):
        await bench.list(page_token="eA==")
    with pytest.raises(InvalidArgument):
        await bench.list(page_size=101)


async def test_the_same_call_again_is_answered_again(bench: AppraisalBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.set(request_id=request_id)
    again = await bench.set(request_id=request_id)
    assert (again.policy, again.replayed, first.replayed) == (first.policy, True, False)
    assert len((await bench.list()).policies) == 1
    with pytest.raises(AlreadyExists):
        await bench.set(NEW_PATCHES, request_id=request_id)
    request_id = str(uuid.uuid4())
    await bench.activate(FIRST, request_id=request_id)
    assert (await bench.activate(FIRST, request_id=request_id)).replayed


@pytest.mark.parametrize(
    ("document", "reason", "words"),
    [
        (b"[andriod]", Reason.POLICY_INVALID, "did you mean android"),
        (b"\xff", Reason.POLICY_INVALID, "UTF-8"),
        (b"#" * (FILE_BYTES_MAX + 1), Reason.MESSAGE_TOO_LARGE, "bytes"),
        (b'[rego]\nmodule = "package other"', Reason.POLICY_INVALID, "package hallmark"),
    ],
)
async def test_what_can_not_be_used_is_not_kept(
    bench: AppraisalBench, document: bytes, reason: Reason, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words) as refused:
        await bench.set(document)
    assert refused.value.reason is reason
    assert not (await bench.list()).policies


async def test_rego_without_its_library(bench: AppraisalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attestation.rego.is_installed", lambda: False)
    with pytest.raises(InvalidArgument, match="regopy"):
        await bench.set(b"[rego]\nmodule = '''\npackage hallmark\nallow := true'''")


async def test_names(bench: AppraisalBench) -> None:
    for name in (FIRST, f"{PARENT}/policies/999999999"):
        with pytest.raises(NotFound):
            await bench.get(name)
    for name in ("policies/1", f"{PARENT}/policies/01", f"{PARENT}/policies/x", f"{PARENT}/policies/1\n"):
        with pytest.raises(InvalidArgument):
            await bench.get(name)
    with pytest.raises(NotFound):
        await bench.activate(ACTIVE)


async def test_tenants_do_not_see_each_other(bench: AppraisalBench) -> None:
    await bench.set()
    await bench.activate(FIRST)
    with pytest.raises(NotFound):
        await bench.get(FIRST, tenant="other")
    assert await bench.source.active("other") == bench.source.built_in


async def test_activation_may_take_others(bench: AppraisalBench) -> None:
    bench.approvals.policy = ApprovalPolicy({ProposedAct.POLICY_CHANGE: 1})
    await bench.set()
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(FIRST)
    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    assert await bench.source.active("default") == bench.source.built_in
    assert not bench.notes.woken


@pytest.mark.parametrize(
    "change",
    [
        "document = CAST('name = \"weak\"' AS BLOB)",
        "payload = CAST(replace(payload, 'policies/1', 'policies/2') AS BLOB)",
        "signature = CAST(zeroblob(3373) AS BLOB)",
        "key_version = 'tenants/system/keys/attestation-results/versions/1'",
    ],
    ids=["document", "payload", "signature", "signer"],
)
async def test_a_policy_that_was_changed_in_the_database_judges_nothing(bench: AppraisalBench, change: str) -> None:
    await bench.set()
    await bench.activate(FIRST)
    await bench.devices.service.database.write(lambda tx: tx.exec_driver_sql(f"UPDATE appraisal_policy SET {change}"))
    with pytest.raises(FailedPrecondition) as refused:
        await bench.source.active("default")
    assert refused.value.reason is Reason.POLICY_INVALID


async def test_memory_of_tenants_is_bounded(bench: AppraisalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.appraisal.source._TENANTS_MAX", 3)
    for number in range(5):
        assert await bench.source.active(f"t{number}") == bench.source.built_in
    assert list(bench.source._known) == ["t2", "t3", "t4"]


async def test_the_strict_policy_as_a_file_is_the_strict_policy(bench: AppraisalBench) -> None:
    await bench.set(write_policy(Policy(), explain=True))
    await bench.activate(FIRST)
    assert await bench.source.active("default") == Policy()


async def test_what_another_server_could_use_is_not_activated_here(
    bench: AppraisalBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was set where regopy is installed; here every device would be refused."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr("attestation.rego.unusable", lambda module: ())
        await bench.set(b"[rego]\nmodule = '''\npackage hallmark\nallow := true'''")
    monkeypatch.setattr("attestation.rego.is_installed", lambda: False)
    with pytest.raises(FailedPrecondition, match="regopy") as refused:
        await bench.activate(FIRST)
    assert refused.value.reason is Reason.POLICY_INVALID
    assert await bench.source.active("default") == bench.source.built_in
