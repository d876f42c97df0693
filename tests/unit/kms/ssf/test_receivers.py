"""Use cases of receivers: the token once, limits, the log."""

import hashlib
import json
import uuid

import pytest
from sqlalchemy import text

from kms.core.errors import AlreadyExists, InvalidArgument, NotFound
from kms.core.idempotency import RequestKey
from kms.ssf.model import ReceiverName
from unit.kms.ssf.bench import AUDIENCE, SsfBench, admin


async def _logged(bench: SsfBench) -> list[dict[str, object]]:
    rows = await bench.database.read(
        lambda tx: [
            *tx.execute(text("SELECT data FROM tlog_queue")).scalars(),
            *tx.execute(text("SELECT data FROM tlog_entry")).scalars(),
        ]
    )
    entries = [json.loads(row) for row in rows]
    return [entry for entry in entries if entry["type"].startswith("ssf-receiver.")]


async def test_the_token_is_shown_once_and_kept_as_a_hash(bench: SsfBench) -> None:
    request_id = str(uuid.uuid4())
    created = await bench.receiver(request_id=request_id)
    again = await bench.receiver(request_id=request_id)
    assert (len(created.token), created.replayed) == (43, False)
    assert (again.token, again.replayed, again.overview) == ("", True, created.overview)
    (entry,) = await _logged(bench)
    assert entry["details"] == {
        "audience_sha256": hashlib.sha256(AUDIENCE.encode()).hexdigest(),
        "token_sha256": hashlib.sha256(created.token.encode()).hexdigest(),
    }
    tables = await bench.database.read(lambda tx: str(tx.execute(text("SELECT * FROM ssf_receiver")).all()))
    assert created.token not in tables


async def test_tokens_differ_and_a_name_is_taken_once(bench: SsfBench) -> None:
    assert (await bench.receiver("a")).token != (await bench.receiver("b")).token
    with pytest.raises(AlreadyExists):
        await bench.receiver("a")
    await bench.receiver("a", tenant="another")
    assert [each.receiver.name.receiver for each in await bench.receivers.list("default")] == ["a", "b"]


async def test_whoever_is_sent_away_can_do_nothing_any_more(bench: SsfBench, token: str) -> None:
    stream = await bench.stream(token)
    subject = {"stream_id": stream, "subject": {"format": "opaque", "id": "x"}}
    await bench.call("POST", "/ssf/subjects:remove", subject, token=token)
    await bench.happen()
    await bench.feed()
    name = ReceiverName("default", "mdm")
    gone = await bench.receivers.delete(name, now=bench.clock.now())
    assert (gone.pending, gone.stream is not None) == (1, True)
    assert (await bench.call("GET", "/ssf/stream", token=token)).status == 401
    with pytest.raises(NotFound):
        await bench.receivers.delete(name, now=bench.clock.now())
    for table in ("ssf_stream", "ssf_queue", "ssf_removed_subject", "ssf_receiver"):
        query = text(f"SELECT count(*) FROM {table}")
        assert await bench.database.read(lambda tx, query=query: tx.execute(query).scalar_one()) == 0
    assert [entry["type"] for entry in await _logged(bench)] == ["ssf-receiver.created", "ssf-receiver.deleted"]
    assert (await bench.receiver()).token not in {"", token}


@pytest.mark.parametrize("audience", ["", "mdm", "https://m d", "https://mdm.example\n", "x:" + "y" * 511])
async def test_audiences_that_can_not_be(bench: SsfBench, audience: str) -> None:
    request = RequestKey.of(admin(), str(uuid.uuid4()), "CreateSsfReceiver", b"")
    with pytest.raises(InvalidArgument):
        await bench.receivers.create(ReceiverName("default", "x"), audience, request=request, now=bench.clock.now())


@pytest.mark.parametrize(
    "name", ["", "mdm", "tenants/default/ssfReceivers/", "tenants/default/receivers/mdm", "x/" * 300]
)
def test_names_that_can_not_be(name: str) -> None:
    with pytest.raises(InvalidArgument):
        ReceiverName.parse(name)
