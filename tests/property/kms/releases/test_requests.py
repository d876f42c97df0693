"""Whatever comes over the wire: a checked request or a typed refusal. What both sides compute is the same."""

import uuid
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hallmark.v1 import releases_pb2
from hallmark_client.model.releases import artifact_key_info, release_key_info
from hallmark_envelope import MAX_INFO_SIZE
from kms.artifacts.model import ModelName
from kms.consent.model import ArtifactKind
from kms.core.call import Call, Channel
from kms.core.errors import ServiceError
from kms.core.identity import Caller, Role
from kms.core.names import ChildName, DigestName, KeyVersionName
from kms.devices.model import HpkeKey
from kms.events.model import Status
from kms.keys.paging import page_token
from kms.releases import requests
from kms.releases.info import content_key_info, key_info
from kms.releases.model import EPOCH_MAX, AuditAnchor, Release, ReleaseState, SealedKey, state_of
from kms.releases.store import After

NOW = datetime(2026, 11, 22, tzinfo=UTC)
DEVICE = ChildName("default", "devices", "0193b3f0-0000-7000-8000-000000000001")
WHO = Caller(f"spiffe://h.test/tenants/default/device/d-{DEVICE.id}", "default", Role.DEVICE, f"d-{DEVICE.id}")
CALL = Call("call", "/hallmark.v1.ReleaseService/X", WHO, Channel("peer", "TLSv1.3", "X25519MLKEM768"), NOW)
digests = st.binary(min_size=32, max_size=32)
epochs = st.integers(1, EPOCH_MAX)
int64 = st.integers(-(2**63), 2**63 - 1)
text = st.text(max_size=80) | st.sampled_from(
    ["tenants/default", "tenants/other", "tenants/default/models/m", "tenants/default/keys/k/versions/1"]
)


def release(digest: bytes, epoch: int) -> Release:
    return Release(
        name=DigestName("default", "releases", digest.hex()),
        model=ModelName("default", "m"),
        version="1",
        epoch=epoch,
        minimum_epoch=0,
        kind=ArtifactKind.OTHER,
        index_sha256=bytes(32),
        content_key=SealedKey(key_version=KeyVersionName("default", "k", 1), envelope=b"", info=b""),
        requires_consent=False,
        creator="",
        create_time=NOW,
    )


@given(text)
def test_a_page_token_is_ours_or_refused(token: str) -> None:
    try:
        found = requests.after_from_wire(token)
    except ServiceError:
        return
    assert found is None or isinstance(found, After)


@given(st.text(max_size=100))
def test_so_is_one_that_says_something_else(inside: str) -> None:
    try:
        found = requests.after_from_wire(page_token(inside))
    except ServiceError:
        return
    assert found is None or found.epoch >= 0


@given(digests, epochs)
def test_a_page_begins_behind_the_last_one(digest: bytes, epoch: int) -> None:
    token = page_token(requests.token_of(release(digest, epoch)))
    assert requests.after_from_wire(token) == After(epoch, digest.hex())


VALID = {
    "parent": "tenants/default",
    "model": "tenants/default/models/m",
    "version": "1",
    "epoch": 5,
    "minimum_epoch": 5,
    "kind": 1,
    "statement_sha256": bytes(32),
    "index_sha256": bytes(32),
    "key_version": "tenants/default/keys/k/versions/1",
    "content_key_info": content_key_info(ModelName("default", "m"), "1", 5),
}
ANYTHING = {str: text, int: int64 | st.integers(0, 20), bytes: st.binary(max_size=40) | st.binary(max_size=2000)}


@given(st.lists(st.sampled_from(sorted(VALID)), max_size=2, unique=True), st.data())
def test_a_release_from_the_wire_keeps_its_bounds(changed: list[str], data: st.DataObject) -> None:
    given_fields = {each: data.draw(ANYTHING[type(VALID[each])], label=each) for each in changed if each != "kind"}
    fields = {**VALID, **given_fields}
    try:
        made = requests.release_from_wire(releases_pb2.CreateReleaseRequest(**fields), CALL)
    except ServiceError:
        assert given_fields, "what is valid is taken"
        return
    assert 0 <= made.minimum_epoch <= made.epoch <= EPOCH_MAX
    assert {made.name.tenant, made.model.tenant, made.content_key.key_version.tenant} == {"default"}
    assert made.name.digest == fields["statement_sha256"].hex()
    assert len(made.index_sha256) == 32
    assert made.content_key.info == content_key_info(made.model, made.version, made.epoch)


@given(text, st.binary(max_size=80), text | st.just(""), int64)
def test_devices_ask_for_themselves_only(name: str, data: bytes, other: str, size: int) -> None:
    request_id = str(uuid.UUID(int=7))
    asked = releases_pb2.RequestArtifactKeyRequest(artifact=name, nonce=data, consent=other, request_id=request_id)
    anchor = releases_pb2.AnchorDeviceAuditRequest(device=other, size=size, head=data, request_id=request_id)
    for read, message in ((requests.key_wanted_from_wire, asked), (requests.anchor_from_wire, anchor)):
        try:
            found = read(message, CALL)
        except ServiceError:
            continue
        assert DEVICE in {getattr(found, "device", None), getattr(getattr(found, "asked", None), "device", None)}


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=64), epochs)
def test_client_and_service_seal_content_keys_with_the_same_info(version: str, epoch: int) -> None:
    ours = content_key_info(ModelName("default" * 9, "m" * 63), version, epoch)
    assert ours == release_key_info(model=f"tenants/{'default' * 9}/models/{'m' * 63}", version=version, epoch=epoch)
    assert len(ours) <= MAX_INFO_SIZE


@given(digests, epochs, st.binary(min_size=16, max_size=64), st.binary(min_size=1, max_size=64))
def test_device_and_service_make_the_same_info(digest: bytes, epoch: int, nonce: bytes, key: bytes) -> None:
    made = release(digest, epoch)
    theirs = key_info(made, DEVICE, HpkeKey(kem_id=0x647A, public_key=key), nonce)
    assert theirs == artifact_key_info(
        artifact=str(made.artifact), device=str(DEVICE), epoch=epoch, public_key=key, nonce=nonce
    )
    assert len(theirs) <= MAX_INFO_SIZE


@given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from([b"a" * 32, b"b" * 32])), max_size=20))
def test_what_is_anchored_is_one_chain(claims: list[tuple[int, bytes]]) -> None:
    anchored = [AuditAnchor(device=DEVICE, size=0, head=bytes(32), anchor_time=NOW)]
    for size, head in claims:
        if anchored[-1].is_followed_by(size, head):
            anchored.append(AuditAnchor(device=DEVICE, size=size, head=head, anchor_time=NOW))
    sizes = [each.size for each in anchored]
    assert sizes == sorted(sizes)
    assert len({(each.size, each.head) for each in anchored}) == len(set(sizes)), "one head for each size"


@given(epochs, st.sampled_from(list(Status)), st.integers(0, EPOCH_MAX))
def test_only_what_nothing_speaks_against_is_available(epoch: int, said: Status, minimum: int) -> None:
    available = said is Status.VALID and epoch >= minimum
    assert (state_of(epoch, said, minimum) is ReleaseState.AVAILABLE) is available
    assert (state_of(epoch, said, minimum) is ReleaseState.REVOKED) is (said is Status.INVALID)
