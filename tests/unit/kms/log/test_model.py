from datetime import UTC, datetime, timedelta, timezone

import pytest

from kms.log.model import LogEntry, LogSettings

TIME = datetime(2026, 11, 21, 12, 0, 0, 5, tzinfo=UTC)


def test_an_entry_has_one_encoding() -> None:
    entry = LogEntry(
        "k1", "com.example.key.created", "default", "tenants/default/keys/a", TIME, {"b": 2, "a": [None, "é"]}
    )
    assert (
        entry.encode()
        == (
            '{"details":{"a":[null,"é"],"b":2},"id":"k1","subject":"tenants/default/keys/a","tenant":"default",'
            '"time":"2026-11-21T12:00:00.000005Z","type":"com.example.key.created","v":1}'
        ).encode()
    )
    elsewhere = TIME.astimezone(timezone(timedelta(hours=-3)))
    same = LogEntry(
        "k1", "com.example.key.created", "default", "tenants/default/keys/a", elsewhere, {"a": [None, "é"], "b": 2}
    )
    assert same.encode() == entry.encode()


@pytest.mark.parametrize("origin", ["", "a b", "a+b", "a\u2003b", "x" * 256, "é" * 128, "a\nb"])
def test_an_origin_is_a_key_name(origin: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        LogSettings(origin=origin)


@pytest.mark.parametrize("wrong", [{"batch_max": 0}, {"queue_max": 0}, {"poll_seconds": 0}])
def test_limits_are_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        LogSettings(origin="log.example/a", **wrong)
