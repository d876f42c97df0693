import pytest

from hallmark_client import Client
from hallmark_client.device.life.trust import Trust
from hallmark_client.testing import FakeService
from hallmark_client.watch.service_keys import PinnedKeys, ServiceKeys


@pytest.fixture
def client():
    with FakeService().client() as client:
        yield client


def test_nothing_given_is_learnt_from_the_proved_server(client: Client) -> None:
    learnt = Trust().learnt(client)
    assert learnt.log_keys == tuple(client.capabilities().log.verifier_keys)
    assert isinstance(learnt.keys(client), ServiceKeys)
    assert len(list(learnt.log())) == len(learnt.log_keys)


def test_what_is_pinned_is_not_asked_for(client: Client) -> None:
    key = client.keys.public_key("tenants/system/keys/revocation-events/versions/1").composite()
    keys = tuple(client.capabilities().log.verifier_keys)
    pinned = Trust(service_key=key.to_spki_pem(), log_keys=keys, pins=frozenset({b"\x00" * 32}))
    assert pinned.learnt(client) is pinned
    assert isinstance(pinned.keys(client), PinnedKeys)


def test_it_is_kept_whole() -> None:
    given = Trust(service_key="PEM", pins=frozenset({b"\x01" * 32, b"\x02" * 32}), log_policy="text", log_keys=("a",))
    assert Trust.from_json(given.to_json()) == given
    assert Trust.from_json(Trust().to_json()) == Trust()
