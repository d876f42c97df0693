"""CreateRelease: known once, epochs only grow, a content key that opens, a minimum that goes out with it."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from hallmark.v1 import artifacts_pb2, releases_pb2
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Reason
from kms.core.identity import Role
from kms.events.history import state_after
from kms.events.model import GLOBAL
from kms.keys.attestation_gate import AttestationGate
from support.gate_world import Meanwhile
from unit.kms.releases.bench import CONTENT_KEY, MODEL, PARENT, ReleaseBench, artifact, info_of, statement

Release = releases_pb2.Release


async def test_a_release_says_what_was_given(bench: ReleaseBench) -> None:
    made = await bench.create(minimum_epoch=1, requires_consent=True)
    release = made.release
    assert release.name == f"{PARENT}/releases/{statement(1).hex()}"
    assert (release.artifact, release.model, release.version) == (artifact(), MODEL, "1.1")
    assert (release.epoch, release.minimum_epoch, release.requires_consent) == (1, 1, True)
    assert (release.statement_sha256, release.state) == (statement(1), Release.AVAILABLE)
    assert release.creator == "spiffe://hallmark.test/tenants/default/admin/alice"
    assert await bench.get() == release


async def test_the_log_knows_it_and_not_who(bench: ReleaseBench) -> None:
    made = await bench.create()
    (entry,) = await bench.logged("release.created")
    assert entry["subject"] == made.release.name
    assert (entry["details"]["epoch"], entry["details"]["model"]) == (1, MODEL)
    assert entry["details"]["key_version"] == made.release.key_version
    assert list(entry["commitments"]) == ["by"]
    assert "alice" not in str(entry)


async def test_a_retry_is_answered_again_and_another_body_is_refused(bench: ReleaseBench) -> None:
    request = bench.wanted()
    made, again = await bench.send(request), await bench.send(request)
    assert (again.release, again.replayed, again.log) == (made.release, True, made.log)
    assert len(await bench.logged("release.created")) == 1
    request.index_sha256 = statement(2)
    with pytest.raises(AlreadyExists) as refused:
        await bench.send(request)
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


async def test_a_statement_is_released_once(bench: ReleaseBench) -> None:
    await bench.create()
    for changes in ({}, {"epoch": 2}, {"epoch": 2, "model": f"{PARENT}/models/another"}):
        with pytest.raises(AlreadyExists) as refused:
            await bench.create(**changes)
        assert refused.value.reason is Reason.RELEASE_EXISTS


async def test_epochs_only_grow(bench: ReleaseBench) -> None:
    await bench.create(5)
    for epoch in (1, 4, 5):
        with pytest.raises(FailedPrecondition) as refused:
            await bench.create(6, epoch=epoch)
        assert (refused.value.reason, refused.value.metadata["least"]) == (Reason.EPOCH_NOT_NEWER, "6")
    await bench.create(6)
    await bench.create(1, model=f"{PARENT}/models/another")


async def test_two_at_once_do_not_both_have_an_epoch(bench: ReleaseBench) -> None:
    answers = await asyncio.gather(*(bench.create(n, epoch=7) for n in range(1, 6)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, BaseException)]
    assert len(refused) == 4
    assert all(isinstance(each, FailedPrecondition) and each.reason is Reason.EPOCH_NOT_NEWER for each in refused)


async def test_the_minimum_goes_out_in_the_global_feed(bench: ReleaseBench) -> None:
    await bench.create(1)
    await bench.create(2, minimum_epoch=2)
    (entry,) = await bench.logged("model.minimum-version-set")
    assert (entry["subject"], entry["details"]["minimum_version"]) == (MODEL, 2)
    placed = await bench.database.read(lambda tx: state_after(tx, "default", GLOBAL, 0, limit=10))
    assert [each.event.subject for each in placed] == [MODEL]
    assert b'"min_version":2' in placed[0].event.payload
    assert ((await bench.get(1)).state, (await bench.get(2)).state) == (Release.SUPERSEDED, Release.AVAILABLE)
    await bench.create(3, minimum_epoch=2)
    assert len(await bench.logged("model.minimum-version-set")) == 1, "it was so already"


async def test_only_an_admin_raises_the_minimum(bench: ReleaseBench) -> None:
    await bench.create(1)
    with pytest.raises(PermissionDenied):
        await bench.create(2, who={"role": Role.BACKEND}, minimum_epoch=2)
    await bench.create(2, minimum_epoch=2)
    await bench.create(3, who={"role": Role.BACKEND}, minimum_epoch=2)
    assert len(await bench.logged("model.minimum-version-set")) == 1


async def test_a_minimum_that_changes_meanwhile_is_looked_at_again(bench: ReleaseBench) -> None:
    async def raise_it() -> None:
        request = artifacts_pb2.SetMinimumVersionRequest(
            name=MODEL, minimum_version=3, request_id="6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
        )
        await bench.artifacts.SetMinimumVersion(request, bench.call("SetMinimumVersion"))

    keys = bench.base.service.keys
    keys.provider = Meanwhile(keys.provider, raise_it)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.create(2, minimum_epoch=1)
    assert refused.value.reason is Reason.EPOCH_NOT_NEWER
    await bench.create(5, minimum_epoch=4)
    told = [entry["details"]["minimum_version"] for entry in await bench.logged("model.minimum-version-set")]
    assert told == [3, 4]


async def test_an_epoch_below_the_minimum_of_the_model_is_refused(bench: ReleaseBench) -> None:
    request = artifacts_pb2.SetMinimumVersionRequest(name=MODEL, minimum_version=9, request_id=str(uuid.uuid4()))
    await bench.artifacts.SetMinimumVersion(request, bench.call("SetMinimumVersion"))
    with pytest.raises(FailedPrecondition) as refused:
        await bench.create(8)
    assert (refused.value.reason, refused.value.metadata["least"]) == (Reason.EPOCH_NOT_NEWER, "9")


async def test_a_revoked_artifact_is_not_released(bench: ReleaseBench) -> None:
    await bench.revoke()
    with pytest.raises(FailedPrecondition) as refused:
        await bench.create()
    assert refused.value.reason is Reason.ARTIFACT_REVOKED


async def test_a_suspended_artifact_may_be_released_for_later(bench: ReleaseBench) -> None:
    request = artifacts_pb2.SetArtifactStatusRequest(
        name=artifact(), state=artifacts_pb2.ARTIFACT_STATE_SUSPENDED, request_id=str(uuid.uuid4())
    )
    await bench.artifacts.SetArtifactStatus(request, bench.call("SetArtifactStatus"))
    assert (await bench.create()).release.state == Release.SUSPENDED


async def test_a_content_key_of_another_size_is_refused(bench: ReleaseBench) -> None:
    for content_key in (bytes(31), bytes(33), b""):
        with pytest.raises(InvalidArgument) as refused:
            await bench.create(content_key=content_key)
        assert (refused.value.reason, refused.value.field) == (Reason.ENVELOPE_INVALID, "content_key_envelope")


async def test_a_content_key_that_does_not_open_is_refused(bench: ReleaseBench) -> None:
    other = await bench.gates.create_envelope_key("other", None)
    made = bench.wanted()
    damaged = bytearray(made.content_key_envelope)
    damaged[-1] ^= 1
    for changes in (
        {"content_key_envelope": bench.seal(made.content_key_info, key=other)},
        {"content_key_envelope": bytes(damaged)},
    ):
        with pytest.raises(InvalidArgument) as refused:
            await bench.create(**changes)
        assert (refused.value.reason, refused.value.field) == (Reason.ENVELOPE_INVALID, "content_key_envelope")
    assert await bench.logged("release.created") == []


async def test_what_was_sealed_for_anything_else_becomes_no_content_key(bench: ReleaseBench) -> None:
    """Else who may make releases had the service open others' envelopes, and seal what is in them to a device of his."""
    model = f"{PARENT}/models/mine"
    others = (
        b"",
        b"disk 1",
        info_of(MODEL, "1.1", 2),
        info_of(MODEL, "1.2", 1),
        info_of(model, "1.1", 1),
        info_of(MODEL, "1.1", 1).replace(b"release-key", b"artifact-key"),
        info_of(MODEL, "1.1", 1).replace(b",", b", "),
    )
    for info in others:
        with pytest.raises(InvalidArgument, match=r'"epoch":1.*"purpose":"hallmark/release-key/v1"') as refused:
            await bench.create(sealed_with=info, content_key_info=info)
        assert (refused.value.reason, refused.value.field) == (Reason.FIELD_INVALID, "content_key_info")
        with pytest.raises(InvalidArgument) as refused:
            await bench.create(sealed_with=info)
        assert (refused.value.reason, refused.value.field) == (Reason.ENVELOPE_INVALID, "content_key_envelope")
    assert await bench.logged("release.created") == []
    await bench.create(version='a "quoted" \\ version, größer')


async def test_the_key_is_one_that_opens_of_this_tenant(bench: ReleaseBench) -> None:
    signing = await bench.gates.create("signing", None)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.create(key_version=f"{signing.name}/versions/1")
    assert refused.value.reason is Reason.PURPOSE_MISMATCH
    for missing in ("keys/nobody/versions/1", "keys/content/versions/9"):
        with pytest.raises(NotFound):
            await bench.create(key_version=f"{PARENT}/{missing}")
    with pytest.raises(NotFound):
        await bench.create(key_version="tenants/other/keys/content/versions/1")


async def test_it_is_opened_once_and_counts_as_one_use(bench: ReleaseBench) -> None:
    key = await bench.limited_key(1)
    await bench.create(1, key=key)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.create(2, key=key)
    assert refused.value.reason is Reason.USAGE_LIMIT_REACHED
    assert await bench.logged("envelope.opened") == [], "nothing was given to anybody"


async def test_a_gate_is_for_devices_not_for_who_makes_the_release(bench: ReleaseBench) -> None:
    gated = await bench.gates.create_envelope_key("gated", AttestationGate())
    assert (await bench.create(key=gated)).release.key_version == f"{gated.name}/versions/1"


async def test_nothing_of_the_content_key_is_kept_in_clear(bench: ReleaseBench, tmp_path: Path) -> None:
    await bench.create()
    await bench.database.drop_overwritten()
    assert files_with(tmp_path, CONTENT_KEY) == []


def files_with(folder: Path, secret: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and secret in path.read_bytes()]


async def test_what_can_not_be_right_is_refused(bench: ReleaseBench) -> None:
    wrong: list[dict[str, Any]] = [
        {"epoch": 0},
        {"epoch": -1},
        {"epoch": 2**53 + 1},
        {"minimum_epoch": 2},
        {"minimum_epoch": -1},
        {"version": ""},
        {"version": "v" * 65},
        {"version": "a\nb"},
        {"kind": 99},
        {"statement_sha256": b"short"},
        {"index_sha256": bytes(33)},
        {"content_key_info": bytes(1025)},
        {"model": "example-7b"},
        {"model": f"{PARENT}/keys/x"},
        {"key_version": f"{PARENT}/keys/content"},
        {"parent": "default"},
        {"request_id": "1"},
    ]
    for changes in wrong:
        with pytest.raises(InvalidArgument):
            await bench.create(**changes)


async def test_other_tenants_find_nothing(bench: ReleaseBench) -> None:
    await bench.create()
    for what in (bench.get(tenant="other"), bench.create(2, who={"tenant": "other"})):
        with pytest.raises(NotFound):
            await what
    with pytest.raises(NotFound):
        await bench.create(2, model="tenants/other/models/m")


async def test_lists_are_newest_epoch_first_page_by_page(bench: ReleaseBench) -> None:
    for number in (1, 2, 3):
        await bench.create(number)
    other = f"{PARENT}/models/another"
    await bench.create(4, epoch=2, model=other)
    found, token = [], ""
    while True:
        page = await bench.listed(page_size=1, page_token=token)
        found += page.releases
        token = page.next_page_token
        if not token:
            break
    assert [each.epoch for each in found] == [3, 2, 2, 1]
    assert len({each.name for each in found}) == 4
    assert [each.epoch for each in (await bench.listed(model=MODEL)).releases] == [3, 2, 1]
    assert [each.model for each in (await bench.listed(model=other)).releases] == [other]
    with pytest.raises(InvalidArgument):
        await bench.listed(page_token="bm90IG91cnM=")
    with pytest.raises(NotFound):
        await bench.listed(parent="tenants/other")


async def test_lists_tell_what_may_be_used(bench: ReleaseBench) -> None:
    for number in (1, 2, 3):
        await bench.create(number)
    await bench.create(4, minimum_epoch=2)
    await bench.revoke(3)
    request = artifacts_pb2.SetArtifactStatusRequest(
        name=artifact(2), state=artifacts_pb2.ARTIFACT_STATE_SUSPENDED, request_id=str(uuid.uuid4())
    )
    await bench.artifacts.SetArtifactStatus(request, bench.call("SetArtifactStatus"))
    states = {each.epoch: each.state for each in (await bench.listed()).releases}
    assert states == {4: Release.AVAILABLE, 3: Release.REVOKED, 2: Release.SUSPENDED, 1: Release.SUPERSEDED}
    for number, state in states.items():
        assert (await bench.get(number)).state == state
