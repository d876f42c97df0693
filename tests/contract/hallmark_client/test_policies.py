import dataclasses
import uuid

import pytest

from hallmark_client import (
    AlreadyExists,
    Client,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Policy,
    PolicyForm,
    PolicyState,
    VerificationFailed,
)

# The strict policy under another name: on a server that others use too, nothing is judged otherwise by it.
DOCUMENT = b'name = "contract"\n'


def keep(client: Client, **more) -> Policy:
    return client.policies.set(DOCUMENT, **more).policy


def test_a_new_version_is_pending_and_signed(admin: Client) -> None:
    change = admin.policies.set(DOCUMENT)
    policy = change.policy
    assert (policy.title, policy.document, policy.form) == ("contract", DOCUMENT, PolicyForm.TOML)
    assert (policy.state, policy.activate_time, change.replayed) == (PolicyState.PENDING, None, False)
    assert b'"policy.set"' in change.log.entry
    policy.verify(admin.policies.service_keys())
    assert admin.policies.get(policy.name) == policy
    assert admin.policies.get(policy.name.rpartition("/")[2]) == policy


def test_versions_count_up(admin: Client) -> None:
    first, second = keep(admin), keep(admin)
    assert int(second.name.rpartition("/")[2]) == int(first.name.rpartition("/")[2]) + 1
    assert first.activation_sha256 != second.activation_sha256


def test_a_document_that_was_changed_on_the_way_is_noticed(admin: Client) -> None:
    policy, keys = keep(admin), admin.policies.service_keys()
    with pytest.raises(VerificationFailed):
        dataclasses.replace(policy, document=b"").verify(keys)
    with pytest.raises(VerificationFailed):
        dataclasses.replace(policy, name=f"{policy.name}0").verify(keys)
    with pytest.raises(VerificationFailed):
        admin.policies.get("0").verify(keys)


def test_the_built_in_policy_can_be_read(admin: Client) -> None:
    built_in = admin.policies.get("0")
    assert (built_in.title, built_in.signature, built_in.create_time) == ("strict", None, None)
    assert b"strict" in built_in.document


def test_activation_and_back(admin: Client) -> None:
    first, second = keep(admin), keep(admin)
    activated = admin.policies.activate(first.name)
    assert (activated.policy.state, activated.replayed) == (PolicyState.ACTIVE, False)
    assert activated.policy.activate_time is not None
    assert b'"policy.activated"' in activated.log.entry
    assert admin.policies.get().name == first.name
    with pytest.raises(FailedPrecondition) as refused:
        admin.policies.activate(first.name)
    assert refused.value.reason == "STATE_TRANSITION_INVALID"
    admin.policies.activate(second.name)
    assert admin.policies.get(first.name).state is PolicyState.REPLACED
    assert admin.policies.activate(first.name).policy.state is PolicyState.ACTIVE


def test_back_to_the_built_in_policy(admin: Client) -> None:
    own = keep(admin)
    admin.policies.activate(own.name)
    back = admin.policies.activate("0")
    assert (back.policy.title, back.policy.state, back.policy.activate_time) == ("strict", PolicyState.ACTIVE, None)
    assert b'"policy.activated"' in back.log.entry
    assert admin.policies.get(own.name).state is PolicyState.REPLACED
    with pytest.raises(FailedPrecondition):
        admin.policies.activate("0")
    assert admin.policies.activate(own.name).policy.state is PolicyState.ACTIVE


def test_lists_are_newest_first_without_documents(admin: Client) -> None:
    made = [keep(admin).name for _ in range(3)]
    found = [policy for policy in admin.policies.list(page_size=2) if policy.name in made]
    assert [policy.name for policy in found] == made[::-1]
    assert not any(policy.document for policy in found)
    assert all(policy.payload for policy in found)


def test_a_dry_run_changes_nothing(admin: Client, server) -> None:
    challenge = admin.devices.create_challenge()
    evidence, key_spki = server.attest(challenge.challenge)
    assert admin.devices.attest(challenge.name, evidence, key_spki=key_spki).device is not None
    policy = keep(admin)
    found = admin.policies.dry_run(policy.name, page_size=1)
    assert found.examined >= 1
    assert not found.changes
    assert admin.policies.get(policy.name).state is PolicyState.PENDING


def test_json_too(admin: Client) -> None:
    policy = admin.policies.set(b'{"name": "contract"}', form="json").policy
    assert (policy.form, policy.title) == (PolicyForm.JSON, "contract")


@pytest.mark.parametrize("document", [b"not TOML", b"\xff", b"a = 1\na = 2"])
def test_what_can_not_be_read(admin: Client, document: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        admin.policies.set(document)
    assert refused.value.reason == "POLICY_INVALID"


def test_the_same_request_is_answered_again(admin: Client) -> None:
    request_id = str(uuid.uuid4())
    first = admin.policies.set(DOCUMENT, request_id=request_id)
    again = admin.policies.set(DOCUMENT, request_id=request_id)
    assert (again.policy, again.replayed) == (first.policy, True)
    with pytest.raises(AlreadyExists):
        admin.policies.set(b'name = "other"', request_id=request_id)


def test_what_is_not_there(admin: Client) -> None:
    for call in (admin.policies.get, admin.policies.activate, admin.policies.dry_run):
        with pytest.raises(NotFound):
            call("999999999")
    with pytest.raises(InvalidArgument):
        admin.policies.get("first")
    with pytest.raises(NotFound):
        admin.policies.activate("active")


def test_who_may_do_what(admin: Client, client_under_test) -> None:
    policy = keep(admin)
    for role in ("backend", "auditor"):
        reader = client_under_test(role)
        assert reader.policies.get(policy.name) == policy
        for call in (reader.policies.activate, reader.policies.dry_run):
            with pytest.raises(PermissionDenied):
                call(policy.name)
    with pytest.raises(PermissionDenied):
        client_under_test("device").policies.get()
