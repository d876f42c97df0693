"""client.releases against every server. Keys are for devices with a certificate of their own: tests/rpc/releases, and
tests/unit/hallmark_client/test_releases.py for the fake.
"""

import functools
import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from hallmark_client import (
    AlreadyExists,
    ArtifactKind,
    Client,
    EnvelopeInvalid,
    FailedPrecondition,
    HallmarkError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from hallmark_client.model.releases import Release, ReleaseCreated, ReleaseState


def fresh(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def digest() -> bytes:
    return hashlib.sha256(uuid.uuid4().bytes).digest()


Seal = Callable[[bytes], dict[str, Any]]


@pytest.fixture
def sealed(admin: Client) -> Seal:
    """The content key that is sealed with this info, as fields."""
    name = fresh("content")
    admin.keys.create(name, algorithm="HPKE-MLKEM768-X25519", purpose="ENVELOPE")

    @functools.cache
    def seal(info: bytes) -> dict[str, Any]:
        made = admin.envelopes.data_key(name, info=info)
        return {"key_version": made.key_version, "content_key_envelope": made.envelope}

    return seal


def create(client: Client, model: str, epoch: int, sealed: Seal, **more: Any) -> ReleaseCreated:
    info = client.releases.content_key_info(
        more.get("model", model), version=more.get("version", f"1.{epoch}"), epoch=more.get("epoch", epoch)
    )
    fields: dict[str, Any] = {
        "version": f"1.{epoch}",
        "epoch": epoch,
        "kind": ArtifactKind.MODEL_WEIGHTS,
        "statement_sha256": digest(),
        "index_sha256": digest(),
        **sealed(info),
        **more,
    }
    return client.releases.create(model, **fields)


def test_what_was_created_can_be_read(client_under_test, sealed) -> None:
    backend, model, statement = client_under_test("backend"), fresh("model"), digest()
    made = create(
        backend,
        model,
        3,
        sealed,
        statement_sha256=statement,
        kind="lora-adapter",
        requires_consent=True,
        wait="published",
    )
    release = made.release
    assert release.name == f"tenants/default/releases/{statement.hex()}"
    assert release.artifact == f"tenants/default/artifacts/{statement.hex()}"
    assert (release.model, release.version, release.epoch) == (f"tenants/default/models/{model}", "1.3", 3)
    assert (release.kind, release.requires_consent) == (ArtifactKind.LORA_ADAPTER, True)
    assert (release.state, release.minimum_epoch) == (ReleaseState.AVAILABLE, 0)
    assert (release.statement_sha256, release.key_version) == (statement, sealed(b"")["key_version"])
    assert release.creator.endswith("/tenants/default/backend/backend")
    assert made.log.tlog_proof
    assert b'"release.created"' in made.log.entry
    for name in (release.name, statement.hex(), f"releases/{statement.hex()}"):
        assert client_under_test("auditor").releases.get(name) == release
    with pytest.raises(NotFound):
        backend.releases.get(digest().hex())


def test_a_retry_is_answered_again(admin: Client, sealed) -> None:
    model, request_id, fields = (
        fresh("model"),
        str(uuid.uuid4()),
        {"statement_sha256": digest(), "index_sha256": digest()},
    )
    made = create(admin, model, 1, sealed, request_id=request_id, **fields)
    again = create(admin, model, 1, sealed, request_id=request_id, **fields)
    assert (again.release, again.replayed, made.replayed) == (made.release, True, False)
    with pytest.raises(AlreadyExists) as refused:
        create(admin, model, 1, sealed, request_id=request_id)
    assert refused.value.reason == "REQUEST_ID_REUSED"
    with pytest.raises(AlreadyExists) as refused:
        create(admin, model, 2, sealed, **fields)
    assert refused.value.reason == "RELEASE_EXISTS"


def test_epochs_only_grow(admin: Client, sealed) -> None:
    model = fresh("model")
    create(admin, model, 5, sealed)
    for epoch in (5, 1):
        with pytest.raises(FailedPrecondition) as refused:
            create(admin, model, epoch, sealed)
        assert (refused.value.reason, refused.value.metadata["least"]) == ("EPOCH_NOT_NEWER", "6")
    create(admin, fresh("model"), 1, sealed)


def test_a_minimum_epoch_is_the_models_minimum_version(admin: Client, sealed) -> None:
    model = fresh("model")
    old = create(admin, model, 1, sealed).release
    create(admin, model, 2, sealed, minimum_epoch=2)
    assert admin.releases.get(old.name).state is ReleaseState.SUPERSEDED
    (status,) = [each for each in admin.artifacts.list() if each.name == old.model]
    assert status.minimum_version == 2
    with pytest.raises(FailedPrecondition):
        admin.artifacts.set_minimum_version(model, 2)
    admin.artifacts.set_minimum_version(model, 9)
    with pytest.raises(FailedPrecondition) as refused:
        create(admin, model, 8, sealed)
    assert refused.value.reason == "EPOCH_NOT_NEWER"


def test_lists_are_newest_epoch_first(admin: Client, sealed) -> None:
    model = fresh("model")
    made = [create(admin, model, epoch, sealed).release for epoch in (1, 2, 3)]
    admin.artifacts.suspend(made[1].artifact)
    found: list[Release] = list(admin.releases.list(model, page_size=2))
    assert [each.name for each in found] == [each.name for each in reversed(made)]
    assert [each.state for each in found] == [ReleaseState.AVAILABLE, ReleaseState.SUSPENDED, ReleaseState.AVAILABLE]
    assert {each.name for each in made} <= {each.name for each in admin.releases.list(page_size=1)}


def test_the_content_key_must_open(admin: Client, sealed) -> None:
    other = fresh("other")
    admin.keys.create(other)
    with pytest.raises(EnvelopeInvalid):
        create(admin, fresh("model"), 1, sealed, **sealed(b"another"))
    with pytest.raises(InvalidArgument) as unbound:
        create(admin, fresh("model"), 1, sealed, **sealed(b"another"), content_key_info=b"another")
    assert unbound.value.reason == "FIELD_INVALID"
    assert "hallmark/release-key/v1" in unbound.value.message
    with pytest.raises(FailedPrecondition) as refused:
        create(admin, fresh("model"), 1, sealed, key_version=f"{other}/versions/1")
    assert refused.value.reason == "PURPOSE_MISMATCH"
    with pytest.raises(NotFound):
        create(admin, fresh("model"), 1, sealed, key_version="keys/nobody/versions/1")


def test_what_can_not_be_right_is_refused(admin: Client, sealed) -> None:
    wrong: list[dict[str, Any]] = [
        {"version": ""},
        {"version": "v" * 65},
        {"statement_sha256": b"short"},
        {"index_sha256": b""},
        {"minimum_epoch": 2},
        {"kind": "movie"},
        {"key_version": "content"},
        {"wait": "soon"},
    ]
    for changes in wrong:
        with pytest.raises(InvalidArgument):
            create(admin, fresh("model"), 1, sealed, **changes)
    for model in ("Not a name", "tenants/default/keys/x"):
        with pytest.raises(InvalidArgument):
            create(admin, model, 1, sealed)
    with pytest.raises(InvalidArgument):
        create(admin, fresh("model"), 0, sealed)
    with pytest.raises(NotFound):
        create(admin, "tenants/other/models/m", 1, sealed)


def test_keys_are_for_attested_devices(client_under_test, admin: Client, sealed) -> None:
    release = create(admin, fresh("model"), 1, sealed).release
    for role in ("admin", "backend", "device"):
        client = client_under_test(role)
        with pytest.raises(PermissionDenied):
            client.releases.request_key(release.artifact, nonce=bytes(16))
        with pytest.raises(PermissionDenied):
            client.releases.anchor_audit(str(uuid.uuid4()), size=1, head=bytes(32))
    for role in ("device", "auditor"):
        with pytest.raises(PermissionDenied):
            create(client_under_test(role), fresh("model"), 1, sealed)
    with pytest.raises(HallmarkError):
        list(client_under_test("device").releases.list())
