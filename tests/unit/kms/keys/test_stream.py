"""Messages in pieces."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import google_crc32c
import pytest

from hallmark_composite.representative import PREFIX
from kms.core.errors import Aborted, InvalidArgument, Reason
from kms.core.names import KeyName
from kms.keys.algorithms import ALGORITHMS
from kms.keys.inputs import mu_of
from kms.keys.model import KeyPurpose
from kms.keys.sign_item import SignItem
from kms.keys.stream import CHUNK_BYTES_MAX, STREAM_BYTES_MAX, MessageStream
from support.keys_world import KeysWorld, keys_world

NAME = KeyName("default", "manifest")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path) as world:
        yield world


async def _stream(world: KeysWorld, context: bytes = b"") -> MessageStream:
    return MessageStream(await world.signing.find_key(NAME, world.world.clock.now()), context)


@pytest.mark.parametrize("name", [name for name, algorithm in ALGORITHMS.items() if algorithm.streaming])
async def test_what_is_signed_is_that_of_the_whole_message(world: KeysWorld, name: str) -> None:
    algorithm = ALGORITHMS[name]
    context = b"c" if algorithm.supports_context else b""
    key = await world.create(algorithm=algorithm)
    stream = await _stream(world, context)
    message = bytes(range(256)) * 9000
    for start in range(0, len(message), CHUNK_BYTES_MAX):
        await stream.add(message[start : start + CHUNK_BYTES_MAX])
    await stream.add(b"")
    stream.finish()
    prepared, envelope = stream.prepare(await world.signing.find_key(NAME, world.world.clock.now()))
    whole = hashlib.new(algorithm.prehash, message).digest() if algorithm.prehash else None
    assert prepared.content == (whole or mu_of(key.versions[0], message, context))
    assert prepared == stream.prepare(await world.signing.find_key(NAME, world.world.clock.now()))[0], "asked twice"
    assert envelope is None
    assert (stream.size, stream.crc32c) == (len(message), google_crc32c.value(message))
    assert stream.identity == hashlib.sha256(message).digest()


async def test_bounds(world: KeysWorld) -> None:
    await world.create()
    stream = await _stream(world)
    with pytest.raises(InvalidArgument) as refused:
        await stream.add(bytes(CHUNK_BYTES_MAX + 1))
    assert refused.value.reason is Reason.STREAM_INVALID
    stream.size = STREAM_BYTES_MAX
    with pytest.raises(InvalidArgument) as refused:
        await stream.add(b"x")
    assert refused.value.reason is Reason.MESSAGE_TOO_LARGE


@pytest.mark.parametrize(
    ("chunks", "word"), [([], "broke off"), ([b"half"], "broke off"), ([b""], "without a chunk")], ids=str
)
async def test_nothing_or_half_a_message_is_not_signed(world: KeysWorld, chunks: list[bytes], word: str) -> None:
    await world.create()
    stream = await _stream(world)
    for chunk in chunks:
        await stream.add(chunk)
    with pytest.raises(InvalidArgument, match=word) as refused:
        stream.finish()
    assert refused.value.reason is Reason.STREAM_INVALID


async def test_nothing_comes_after_the_end(world: KeysWorld) -> None:
    await world.create()
    stream = await _stream(world)
    for chunk in (b"message", b""):
        await stream.add(chunk)
    for chunk in (b"more", b""):
        with pytest.raises(InvalidArgument, match="nothing comes after"):
            await stream.add(chunk)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"algorithm": ALGORITHMS["ED25519"]}, "Ed25519"),
        ({"purpose": KeyPurpose.MANIFEST}, "manifests"),
    ],
)
async def test_keys_that_must_see_the_message_whole_say_so(world: KeysWorld, more: dict, word: str) -> None:
    await world.create(**more)
    with pytest.raises(InvalidArgument, match=word) as refused:
        await _stream(world)
    assert refused.value.reason is Reason.STREAM_INVALID


async def test_a_context_where_there_is_none_is_refused(world: KeysWorld) -> None:
    await world.create(algorithm=ALGORITHMS["ECDSA_P256_SHA256"])
    with pytest.raises(InvalidArgument):
        await _stream(world, b"context")


async def test_a_plain_key_does_not_sign_a_composites_representative_in_pieces_either(world: KeysWorld) -> None:
    await world.create(algorithm=ALGORITHMS["ECDSA_P256_SHA256"])
    stream = await _stream(world)
    await stream.add(PREFIX[:10])
    with pytest.raises(InvalidArgument):
        await stream.add(PREFIX[10:] + b"more")


async def test_a_rotation_during_the_stream(world: KeysWorld) -> None:
    """A digest is the same for the next version; mu is not, because it holds the public key."""
    for name, survives in (("MLDSA65_ECDSA_P256_SHA512", True), ("ML_DSA_65", False)):
        key = await world.create(name.lower().replace("_", "-"), algorithm=ALGORITHMS[name])
        stream = MessageStream(await world.signing.find_key(key.name, world.world.clock.now()), b"")
        await stream.add(b"message")
        await world.rotate(key.name.key)
        item = SignItem(reference=key.name, request=world.request(), prepare=stream.prepare)
        if survives:
            answer, _, _ = await world.signing.sign_item(item, now=world.world.clock.now(), published=False)
            assert answer.key_version.endswith("/2")
        else:
            with pytest.raises(Aborted, match="send it again"):
                await world.signing.sign_item(item, now=world.world.clock.now(), published=False)


async def test_a_stream_takes_no_context_of_another_purpose(world: KeysWorld) -> None:
    await world.create()
    with pytest.raises(InvalidArgument) as refused:
        await _stream(world, b"hallmark/manifest/v1")
    assert refused.value.reason is Reason.PURPOSE_MISMATCH
