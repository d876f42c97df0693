"""One request_id, one call: in whatever way it is repeated, it gets its first answer, and nothing is in its way."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from hallmark.v1 import (
    common_pb2,
    envelopes_pb2,
    envelopes_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    revocation_pb2,
    revocation_pb2_grpc,
)
from hallmark_envelope import HpkeKem, seal_envelope
from rpc.wire import PARENT, channel, fresh_id, fresh_name, refused
from support.service import RunningService

COMMITTED, PUBLISHED = common_pb2.LOG_WAIT_COMMITTED, common_pb2.LOG_WAIT_PUBLISHED
TWINS = 6


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service) as opened:
        yield opened


@pytest.fixture
def keys(admin: grpc.Channel) -> keys_pb2_grpc.KeyServiceStub:
    return keys_pb2_grpc.KeyServiceStub(admin)


@pytest.fixture
def signing(admin: grpc.Channel) -> keys_pb2_grpc.SigningServiceStub:
    return keys_pb2_grpc.SigningServiceStub(admin)


def _create(keys: keys_pb2_grpc.KeyServiceStub, **more: Any) -> keys_pb2.Key:
    request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id(), **more)
    return keys.CreateKey(request, timeout=20).key


def _twins(call: Callable[[Any], Any], request: Any) -> list[Any]:
    """The same call many times at once, as a caller does whose deadline is shorter than the server's work."""
    start = threading.Barrier(TWINS)

    def one(_: int) -> Any:
        start.wait()
        return call(request)

    with ThreadPoolExecutor(TWINS) as pool:
        return list(pool.map(one, range(TWINS)))


class TestWhoAsksAgainMayWaitForMore:
    """log_wait says how long the caller waits, not what is done."""

    def test_of_a_key(self, keys: keys_pb2_grpc.KeyServiceStub) -> None:
        create = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
        made = keys.CreateKey(create, timeout=20)
        create.log_wait = PUBLISHED
        again = keys.CreateKey(create, timeout=20)
        assert (again.replayed, again.log.leaf_hash) == (True, made.log.leaf_hash)
        rotate = keys_pb2.RotateKeyRequest(name=made.key.name, request_id=fresh_id(), log_wait=PUBLISHED)
        rotated = keys.RotateKey(rotate, timeout=20)
        rotate.log_wait = COMMITTED
        assert keys.RotateKey(rotate, timeout=20).log.leaf_hash == rotated.log.leaf_hash

    def test_of_a_revocation(self, admin: grpc.Channel, keys: keys_pb2_grpc.KeyServiceStub) -> None:
        revocations = revocation_pb2_grpc.RevocationServiceStub(admin)
        reason = revocation_pb2.REVOCATION_REASON_SUPERSEDED
        request = revocation_pb2.RevokeRequest(subject=_create(keys).name, reason=reason, request_id=fresh_id())
        event = revocations.Revoke(request, timeout=20).event
        request.log_wait = PUBLISHED
        again = revocations.Revoke(request, timeout=20)
        assert (again.replayed, again.event.name) == (True, event.name)

    def test_of_a_streamed_signature(
        self, keys: keys_pb2_grpc.KeyServiceStub, signing: keys_pb2_grpc.SigningServiceStub
    ) -> None:
        header = keys_pb2.SignRequest(name=_create(keys).name, request_id=fresh_id())
        first = signing.SignStream(_stream(header, b"a", b"bc", b""), timeout=20)
        header.log_wait = PUBLISHED
        again = signing.SignStream(_stream(header, b"ab", b"c", b""), timeout=20)
        assert (again.replayed, again.signature) == (True, first.signature)
        other = refused(
            lambda parts, timeout: signing.SignStream(iter(parts), timeout=timeout), [*_stream(header, b"ab", b"")]
        )
        assert other.reason == "REQUEST_ID_REUSED"

    def test_of_a_streamed_signature_whose_key_is_revoked(
        self,
        keys: keys_pb2_grpc.KeyServiceStub,
        signing: keys_pb2_grpc.SigningServiceStub,
        admin: grpc.Channel,
    ) -> None:
        name = _create(keys).name
        header = keys_pb2.SignRequest(name=name, request_id=fresh_id())
        first = signing.SignStream(_stream(header, b"abc", b""), timeout=20)
        reason = revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE
        revocation_pb2_grpc.RevocationServiceStub(admin).Revoke(
            revocation_pb2.RevokeRequest(subject=name, reason=reason, request_id=fresh_id()), timeout=20
        )
        again = signing.SignStream(_stream(header, b"abc", b""), timeout=20)
        assert (again.replayed, again.signature) == (True, first.signature)
        fresh = keys_pb2.SignRequest(name=name, request_id=fresh_id())
        other = refused(
            lambda parts, timeout: signing.SignStream(iter(parts), timeout=timeout), [*_stream(fresh, b"abc", b"")]
        )
        assert other.reason == "KEY_REVOKED"


class TestAloneOrInABatch:
    def test_a_signature(self, keys: keys_pb2_grpc.KeyServiceStub, signing: keys_pb2_grpc.SigningServiceStub) -> None:
        item = keys_pb2.SignRequest(name=_create(keys).name, data=b"m", request_id=fresh_id(), log_wait=PUBLISHED)
        alone = signing.Sign(item, timeout=20)
        batch = signing.BatchSign(keys_pb2.BatchSignRequest(parent=PARENT, requests=[item, item]), timeout=20)
        assert {result.response.signature for result in batch.results} == {alone.signature}

    def test_an_opening(self, admin: grpc.Channel, keys: keys_pb2_grpc.KeyServiceStub) -> None:
        envelopes = envelopes_pb2_grpc.EnvelopeServiceStub(admin)
        key = _create(keys, purpose=keys_pb2.KEY_PURPOSE_ENVELOPE)
        stated = envelopes.GetEnvelopeKey(envelopes_pb2.GetEnvelopeKeyRequest(name=key.name), timeout=20)
        envelope = seal_envelope(stated.public_key, HpkeKem(stated.kem_id), b"plain", info=b"")
        item = envelopes_pb2.OpenEnvelopeRequest(name=stated.name, envelope=envelope, request_id=fresh_id())
        batch = envelopes_pb2.OpenEnvelopesRequest(parent=PARENT, requests=[item])
        (first,) = envelopes.OpenEnvelopes(batch, timeout=20).results
        item.log_wait = PUBLISHED
        alone = envelopes.OpenEnvelope(item, timeout=20)
        assert (alone.plaintext, alone.log.leaf_hash) == (b"plain", first.response.log.leaf_hash)


class TestTwins:
    """A retry that overtakes its first attempt, or runs beside it, is not held against itself."""

    def test_create(self, keys: keys_pb2_grpc.KeyServiceStub) -> None:
        for _ in range(4):
            request = keys_pb2.CreateKeyRequest(parent=PARENT, key_id=fresh_name(), request_id=fresh_id())
            answers = _twins(lambda given: keys.CreateKey(given, timeout=20), request)
            assert len({answer.log.leaf_hash for answer in answers}) == 1
            assert [answer.replayed for answer in answers].count(False) == 1
            assert [len(answer.key.versions) for answer in answers] == [1] * TWINS

    def test_rotate_with_an_etag(self, keys: keys_pb2_grpc.KeyServiceStub) -> None:
        key = _create(keys)
        for number in range(2, 6):
            request = keys_pb2.RotateKeyRequest(name=key.name, etag=key.etag, request_id=fresh_id())
            answers = _twins(lambda given: keys.RotateKey(given, timeout=20), request)
            assert len({answer.log.leaf_hash for answer in answers}) == 1
            key = keys.GetKey(keys_pb2.GetKeyRequest(name=key.name), timeout=20)
            assert len(key.versions) == number

    def test_report_a_compromise(self, keys: keys_pb2_grpc.KeyServiceStub) -> None:
        for _ in range(3):
            key = _create(keys)
            request = keys_pb2.ReportKeyCompromiseRequest(name=key.name, request_id=fresh_id())
            answers = _twins(lambda given: keys.ReportKeyCompromise(given, timeout=20), request)
            assert len({(answer.log.leaf_hash, *answer.revocations) for answer in answers}) == 1
            key = keys.GetKey(keys_pb2.GetKeyRequest(name=key.name), timeout=20)
            assert [version.state for version in key.versions] == [
                keys_pb2.KEY_VERSION_STATE_ACTIVE,
                keys_pb2.KEY_VERSION_STATE_COMPROMISED,
            ]

    def test_sign(self, keys: keys_pb2_grpc.KeyServiceStub, signing: keys_pb2_grpc.SigningServiceStub) -> None:
        item = keys_pb2.SignRequest(name=_create(keys).name, data=b"m", request_id=fresh_id())
        answers = _twins(lambda given: signing.Sign(given, timeout=20), item)
        assert len({(answer.signature, answer.log.leaf_hash) for answer in answers}) == 1


def test_an_alias_that_moved_does_not_change_an_answer(
    keys: keys_pb2_grpc.KeyServiceStub, signing: keys_pb2_grpc.SigningServiceStub
) -> None:
    alias = keys_pb2.Alias(name=f"{PARENT}/aliases/{fresh_name()}", key=_create(keys).name)
    keys.SetAlias(keys_pb2.SetAliasRequest(alias=alias, request_id=fresh_id()), timeout=20)
    item = keys_pb2.SignRequest(name=alias.name, data=b"m", request_id=fresh_id())
    first = signing.Sign(item, timeout=20)
    for target in (_create(keys).name, ""):
        if target:
            moved = keys_pb2.Alias(name=alias.name, key=target)
            keys.SetAlias(keys_pb2.SetAliasRequest(alias=moved, request_id=fresh_id()), timeout=20)
        else:
            keys.DeleteAlias(keys_pb2.DeleteAliasRequest(name=alias.name, request_id=fresh_id()), timeout=20)
        again = signing.Sign(item, timeout=20)
        assert (again.replayed, again.signature, again.key_version) == (True, first.signature, first.key_version)


def _stream(header: keys_pb2.SignRequest, *chunks: bytes) -> Iterator[keys_pb2.SignStreamRequest]:
    yield keys_pb2.SignStreamRequest(header=header)
    for chunk in chunks:
        yield keys_pb2.SignStreamRequest(chunk=chunk)


@pytest.mark.parametrize("how", ["cancelled", "out of time", "connection lost"])
def test_half_a_stream_is_never_signed(
    how: str, service: RunningService, keys: keys_pb2_grpc.KeyServiceStub, signing: keys_pb2_grpc.SigningServiceStub
) -> None:
    """Else the whole one would be refused under its request_id, and there were a signature nobody asked for."""
    key = _create(keys)
    randomness = random.Random(7)
    headers = [keys_pb2.SignRequest(name=key.name, request_id=fresh_id()) for _ in range(20)]
    for header in headers:
        _break_off(service, header, how, randomness.uniform(0.002, 0.05))
    for header in headers:
        whole = signing.SignStream(_stream(header, b"begin ", b"end", b""), timeout=20)
        assert not whole.replayed


def _break_off(service: RunningService, header: keys_pb2.SignRequest, how: str, seconds: float) -> None:
    ends = threading.Event()

    def half() -> Iterator[keys_pb2.SignStreamRequest]:
        yield from _stream(header, b"begin ")
        ends.wait(10)

    with channel(service) as opened:
        stub = keys_pb2_grpc.SigningServiceStub(opened)
        running = stub.SignStream.future(half(), timeout=seconds if how == "out of time" else 10)
        time.sleep(seconds)
        if how == "cancelled":
            running.cancel()
        elif how == "out of time":
            assert running.exception(timeout=10) is not None
        else:
            opened.close()
        ends.set()
