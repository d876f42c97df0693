import uuid

import pytest

from hallmark_client import (
    Aborted,
    Algorithm,
    AlreadyExists,
    Client,
    FailedPrecondition,
    InvalidArgument,
    KeyPurpose,
    KeyVersionState,
    NotFound,
    PermissionDenied,
)


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


def test_a_new_key_has_one_active_version(admin: Client) -> None:
    name = fresh_name()
    key = admin.keys.create(name, labels={"team": "models"})
    assert key.name == f"tenants/default/keys/{name}"
    assert key.algorithm is Algorithm.MLDSA65_ECDSA_P256_SHA512
    assert key.purpose is KeyPurpose.SIGN
    assert key.primary_version == f"{key.name}/versions/1"
    assert key.labels == {"team": "models"}
    assert key.revoke_time is None
    (version,) = key.versions
    assert version.state is KeyVersionState.ACTIVE
    assert {half.algorithm for half in version.components} == {"ML-DSA-65", "ECDSA-P256"}
    assert not key.replayed
    assert admin.keys.get(name).versions == key.versions


@pytest.mark.parametrize("algorithm", [Algorithm.MLDSA44_ECDSA_P256_SHA256, "MLDSA87-ECDSA-P384-SHA512"])
def test_the_algorithm_can_be_chosen(admin: Client, algorithm: str) -> None:
    key = admin.keys.create(fresh_name(), algorithm=algorithm)
    assert key.algorithm.value.endswith(algorithm.removeprefix("id-"))
    assert admin.keys.public_key(key.name).composite().algorithm.name == key.algorithm


def test_a_key_id_is_taken_once(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name)
    with pytest.raises(AlreadyExists) as refused:
        admin.keys.create(name)
    assert refused.value.reason == "KEY_EXISTS"
    assert name in refused.value.message


def test_the_same_request_id_gets_the_same_answer(admin: Client) -> None:
    name, request_id = fresh_name(), str(uuid.uuid4())
    first = admin.keys.create(name, request_id=request_id)
    again = admin.keys.create(name, request_id=request_id)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.versions == first.versions
    assert again.log is not None
    assert first.log is not None
    assert again.log.event_key == first.log.event_key


def test_a_request_id_is_not_for_two_requests(admin: Client) -> None:
    request_id = str(uuid.uuid4())
    admin.keys.create(fresh_name(), request_id=request_id)
    with pytest.raises(AlreadyExists) as refused:
        admin.keys.create(fresh_name(), request_id=request_id)
    assert refused.value.reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize("request_id", ["", "1", "not-a-uuid", "0123456789abcdef0123456789abcdef"])
def test_a_request_id_is_a_uuid(admin: Client, request_id: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        admin.keys.create(fresh_name(), request_id=request_id)
    assert refused.value.reason == "REQUEST_ID_INVALID"


@pytest.mark.parametrize("key_id", ["", "Upper", "-dash", "a" * 64, "a/b", "ä"])
def test_a_bad_key_id_is_refused(admin: Client, key_id: str) -> None:
    with pytest.raises(InvalidArgument):
        admin.keys.create(key_id)


def test_what_is_not_there_is_not_found(admin: Client) -> None:
    name = fresh_name()
    for ask in (admin.keys.get, admin.keys.public_key, admin.keys.rotate):
        with pytest.raises(NotFound) as refused:
            ask(name)
        assert refused.value.reason == "RESOURCE_NOT_FOUND"
    with pytest.raises(NotFound):
        admin.keys.get("tenants/somebody-else/keys/manifest")


def test_a_name_that_is_none_is_refused(admin: Client) -> None:
    with pytest.raises(InvalidArgument) as refused:
        admin.keys.get("tenants/default/keys/UPPER")
    assert refused.value.reason == "NAME_INVALID"


def test_lists_go_over_all_pages(admin: Client) -> None:
    made = {admin.keys.create(fresh_name()).name for _ in range(3)}
    names = [key.name for key in admin.keys.list(page_size=1)]
    assert made <= set(names)
    assert len(set(names)) == len(names)
    assert names == sorted(names)
    assert not [name for name in names if "/system/" in name]


def test_a_bad_page_size_is_refused(admin: Client) -> None:
    with pytest.raises(InvalidArgument):
        next(admin.keys.list(page_size=-1))


def test_the_public_key_is_the_one_of_the_version(admin: Client) -> None:
    key = admin.keys.create(fresh_name())
    public = admin.keys.public_key(key.name)
    assert public.name == key.primary_version
    assert public.state is KeyVersionState.ACTIVE
    assert public.composite().raw == public.raw
    assert public.composite().fingerprint().hex() == key.versions[0].public_key_sha256


def test_rotation_makes_a_new_primary_version(admin: Client) -> None:
    name = fresh_name()
    first = admin.keys.create(name)
    rotated = admin.keys.rotate(name, etag=first.etag)
    assert rotated.primary_version == f"{rotated.name}/versions/2"
    assert [version.state for version in rotated.versions] == [KeyVersionState.ACTIVE, KeyVersionState.DEACTIVATED]
    assert rotated.versions[1].deactivate_time is not None
    assert rotated.etag != first.etag
    assert admin.keys.public_key(f"{name}/versions/1").raw != admin.keys.public_key(name).raw


def test_a_stale_etag_does_not_rotate(admin: Client) -> None:
    name = fresh_name()
    first = admin.keys.create(name)
    admin.keys.rotate(name)
    with pytest.raises(Aborted) as refused:
        admin.keys.rotate(name, etag=first.etag)
    assert refused.value.reason == "ETAG_MISMATCH"
    assert len(admin.keys.get(name).versions) == 2


def test_a_rotation_is_not_repeated_by_its_retry(admin: Client) -> None:
    name, request_id = fresh_name(), str(uuid.uuid4())
    admin.keys.create(name)
    admin.keys.rotate(name, request_id=request_id)
    assert admin.keys.rotate(name, request_id=request_id).replayed
    assert len(admin.keys.get(name).versions) == 2


def test_a_revoked_key_does_not_rotate(admin: Client) -> None:
    name = fresh_name()
    admin.keys.create(name)
    admin.revocations.revoke(name, "SUPERSEDED")
    with pytest.raises(FailedPrecondition) as refused:
        admin.keys.rotate(name)
    assert refused.value.reason == "KEY_REVOKED"


@pytest.mark.parametrize("role", ["backend", "auditor", "device"])
def test_only_an_admin_makes_keys(client_under_test, role) -> None:
    with pytest.raises(PermissionDenied) as refused:
        client_under_test(role).keys.create(fresh_name())
    assert refused.value.reason == "ROLE_NOT_ALLOWED"
    assert role in refused.value.message
