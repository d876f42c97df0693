"""How sensitive a key is, as every server the client may meet has it."""

import uuid

import pytest

from hallmark_client import Client, InvalidArgument, Sensitivity


@pytest.fixture
def admin(client_under_test) -> Client:
    return client_under_test("admin")


def fresh_name() -> str:
    return f"key-{uuid.uuid4().hex[:12]}"


def test_a_key_says_how_sensitive_it_is(admin: Client) -> None:
    plain, secret = fresh_name(), fresh_name()
    assert admin.keys.create(plain).sensitivity is Sensitivity.STANDARD
    assert admin.keys.create(secret, sensitivity="high").sensitivity is Sensitivity.HIGH
    found = {key.name.rpartition("/")[2]: key.sensitivity for key in admin.keys.list()}
    assert (found[plain], found[secret]) == (Sensitivity.STANDARD, Sensitivity.HIGH)
    assert admin.keys.update(secret, sensitivity=Sensitivity.MAXIMUM).sensitivity is Sensitivity.MAXIMUM
    assert admin.keys.update(secret, labels={"team": "models"}).sensitivity is Sensitivity.MAXIMUM, "the rest stays"
    with pytest.raises(InvalidArgument):
        admin.keys.create(fresh_name(), sensitivity="enormous")


def test_raising_is_free_and_lowering_loosens(admin: Client, client_under_test) -> None:
    name, bob = fresh_name(), client_under_test(name="bob")
    admin.keys.create(name)
    raised = admin.keys.rehearse_update(name, sensitivity="HIGH")
    assert (raised.key.sensitivity, raised.loosened, raised.parameters_sha256) == ("HIGH", (), b"")
    lowered = admin.keys.rehearse_update(name, sensitivity="LOW")
    assert (lowered.key.sensitivity, lowered.loosened, len(lowered.parameters_sha256)) == ("LOW", ("sensitivity",), 32)
    made = admin.approvals.propose("POLICY_CHANGE", name, parameters_sha256=lowered.parameters_sha256)
    bob.approvals.approve(made)
    assert admin.keys.update(name, sensitivity="LOW", proposal=made.name).sensitivity is Sensitivity.LOW
