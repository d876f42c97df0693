import pytest

from hallmark_client.errors import NotFound
from kms.cli.failure import CommandError
from kms.cli.watch import ServiceKeys, _read_cursor


class ServerKeys:
    """What the server would answer about public keys; counts what it was asked."""

    def __init__(self, known: dict[str, object]) -> None:
        self.known = known
        self.asked: list[str] = []
        self.keys = self

    def public_key(self, name: str):
        self.asked.append(name)
        if name not in self.known:
            raise NotFound("RESOURCE_NOT_FOUND", f"{name} was not found")
        return Answer(self.known[name])


class Answer:
    def __init__(self, key: object) -> None:
        self.key = key

    def composite(self) -> object:
        return self.key


class Key:
    def __init__(self, fingerprint: bytes) -> None:
        self._fingerprint = fingerprint

    def fingerprint(self) -> bytes:
        return self._fingerprint


NAME = "tenants/system/keys/revocation-events/versions/1"


def test_a_service_key_is_asked_for_once() -> None:
    key = Key(b"1")
    server = ServerKeys({NAME: key})
    trusted = ServiceKeys(server)
    assert (trusted.get(NAME), trusted.get(NAME)) == (key, key)
    assert server.asked == [NAME]


@pytest.mark.parametrize("name", ["tenants/default/keys/mine/versions/1", "", "tenants/system/devices/x"])
def test_nobody_elses_key_may_speak_for_the_service(name: str) -> None:
    server = ServerKeys({name: Key(b"1")})
    assert ServiceKeys(server).get(name) is None
    assert server.asked == []


def test_with_pins_only_those_keys_count() -> None:
    server = ServerKeys({NAME: Key(b"1")})
    assert ServiceKeys(server, frozenset({b"2"})).get(NAME) is None
    assert ServiceKeys(server, frozenset({b"1"})).get(NAME) is not None


def test_the_position_is_read_from_its_file(tmp_path) -> None:
    assert _read_cursor(None) == ""
    assert _read_cursor(tmp_path / "none") == ""
    (tmp_path / "cursor").write_text("abc\n")
    assert _read_cursor(tmp_path / "cursor") == "abc"
    (tmp_path / "cursor").write_bytes(b"\xff")
    with pytest.raises(CommandError, match="does not hold a position"):
        _read_cursor(tmp_path / "cursor")
