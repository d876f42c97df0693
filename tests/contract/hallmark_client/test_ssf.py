import uuid

import pytest

from hallmark_client import AlreadyExists, Client, InvalidArgument, NotFound, PermissionDenied


@pytest.fixture
def client(client_under_test) -> Client:
    return client_under_test()


def _fresh() -> str:
    return f"mdm-{uuid.uuid4().hex[:8]}"


def test_a_receiver_is_let_in_and_sent_away(client: Client) -> None:
    name, audience = _fresh(), "https://mdm.example.com/"
    created = client.ssf.create(name, audience)
    receiver = created.receiver
    assert receiver.name == f"tenants/default/ssfReceivers/{name}"
    assert (receiver.audience, receiver.stream_status, receiver.delivery, receiver.pending) == (audience, "", "", 0)
    assert len(created.token) == 43
    assert created.token not in repr(created)
    assert receiver in client.ssf.list()
    with pytest.raises(AlreadyExists):
        client.ssf.create(name, audience)
    assert client.ssf.delete(name) == receiver
    assert receiver not in client.ssf.list()
    with pytest.raises(NotFound):
        client.ssf.delete(receiver.name)


def test_the_token_is_not_given_twice(client: Client) -> None:
    name, request_id = _fresh(), str(uuid.uuid4())
    first = client.ssf.create(name, "https://mdm.example.com/", request_id=request_id)
    again = client.ssf.create(name, "https://mdm.example.com/", request_id=request_id)
    assert (again.token, again.replayed, again.receiver) == ("", True, first.receiver)


def test_receivers_that_can_not_be(client: Client) -> None:
    for name, audience in (("", "https://a.example"), ("MDM", "https://a.example"), (_fresh(), ""), (_fresh(), "mdm")):
        with pytest.raises(InvalidArgument):
            client.ssf.create(name, audience)
    with pytest.raises(InvalidArgument):
        client.ssf.delete("MDM")


def test_who_may(client_under_test) -> None:
    assert client_under_test("auditor").ssf.list() is not None
    for role in ("auditor", "device"):
        with pytest.raises(PermissionDenied):
            client_under_test(role).ssf.create(_fresh(), "https://a.example")
