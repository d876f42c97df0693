"""client.artifacts, against the fake and the real server."""

import uuid

import pytest

from hallmark_client import Client, FailedPrecondition, InvalidArgument
from hallmark_client.model.artifacts import ArtifactState


@pytest.fixture
def client(client_under_test) -> Client:
    return client_under_test()


def _digest() -> str:
    return uuid.uuid4().hex * 2


def test_an_artifact_is_suspended_and_resumed(client: Client) -> None:
    digest = _digest()
    change = client.artifacts.suspend(digest)
    assert (change.status.state, change.status.revision, change.replayed) == (ArtifactState.SUSPENDED, 1, False)
    assert change.status.name.endswith(f"/artifacts/{digest}")
    assert b'"artifact.status-set"' in change.log.entry
    with pytest.raises(FailedPrecondition):
        client.artifacts.suspend(digest)
    resumed = client.artifacts.resume(change.status.name)
    assert (resumed.status.state, resumed.status.revision) == (ArtifactState.VALID, 2)
    with pytest.raises(FailedPrecondition):
        client.artifacts.resume(f"artifacts/{digest}")


def test_a_minimum_version_only_goes_up(client: Client) -> None:
    model = f"model-{uuid.uuid4().hex[:8]}"
    assert client.artifacts.set_minimum_version(model, 3).status.minimum_version == 3
    assert client.artifacts.set_minimum_version(f"models/{model}", 4).status.revision == 2
    for version in (4, 1):
        with pytest.raises(FailedPrecondition):
            client.artifacts.set_minimum_version(model, version)
    with pytest.raises(InvalidArgument):
        client.artifacts.set_minimum_version(model, 0)


def test_the_same_request_is_answered_again(client: Client) -> None:
    digest, request_id = _digest(), str(uuid.uuid4())
    first = client.artifacts.suspend(digest, request_id=request_id)
    again = client.artifacts.suspend(digest, request_id=request_id)
    assert (again.replayed, again.status) == (True, first.status)


def test_names_that_are_none(client: Client) -> None:
    for name in ("x", _digest()[:-1], _digest().upper() + "A"):
        with pytest.raises(InvalidArgument):
            client.artifacts.suspend(name)


def test_the_list_comes_page_by_page(client: Client) -> None:
    names = sorted(client.artifacts.suspend(_digest()).status.name for _ in range(3))
    found = [status.name for status in client.artifacts.list(page_size=1)]
    assert set(names) <= set(found)
    assert found == sorted(found)
