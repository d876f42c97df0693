from datetime import UTC, datetime, timedelta

import pytest

from hallmark_client import FailedPrecondition
from hallmark_client.testing import FakeService
from hallmark_tlog.note import parse_note
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import parse_vkey


def test_the_fake_rotates_like_the_service() -> None:
    now = [datetime(2026, 11, 21, tzinfo=UTC)]
    fake = FakeService(now=lambda: now[0])
    with fake.client() as client:
        old = [parse_vkey(line) for line in fake.verifier_keys]
        request_id = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"
        rotated = client.log.keys.rotate(overlap=timedelta(hours=2), request_id=request_id)
        assert client.log.keys.rotate(overlap=timedelta(hours=2), request_id=request_id) == rotated
        note = client.log.checkpoint().note
        assert len(parse_note(note).signatures) == 3
        open_checkpoint(note, [*old, parse_vkey(rotated.key.vkey)], require=Require.ALL)
        with pytest.raises(FailedPrecondition, match="has not retired yet"):
            client.log.keys.rotate()
        assert [key.retire_time for key in client.log.keys.list()] == [None, now[0] + timedelta(hours=2), None]
        now[0] += timedelta(hours=3)
        client.keys.create("another")
        assert len(parse_note(client.log.checkpoint().note).signatures) == 2
        assert client.log.keys.rotate().key.number == 3
