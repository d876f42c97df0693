"""Fixed keys, salts and messages of Cobblestone-256: a change of the format shows, and another reader can be checked.

The plaintext of `size` bytes is SHAKE-256("cobblestone", size). A short message stands there whole, a long one as its
SHA-256. tests/vectors/hallmark_client/device/chunks.json was written by SealedWriter, and `cryptography.cobblestone`
opens every message of it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor

from hallmark_client.device.chunks import MessageKey, SealedFile, SealedWriter

VECTORS: list[dict[str, Any]] = json.loads(Path(__file__).with_name("chunks.json").read_text())["vectors"]


def plaintext(size: int) -> bytes:
    return hashlib.shake_256(b"cobblestone").digest(size)


def sealed(vector: dict[str, Any]) -> bytes:
    key, salt, context = (bytes.fromhex(vector[name]) for name in ("key", "salt", "context"))
    out = bytearray()
    writer = SealedWriter(MessageKey(key, context, salt), out.extend)
    writer.write(plaintext(vector["size"]))
    writer.finish()
    writer.close()
    return bytes(out)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['size']}-bytes")
def test_messages_are_written_as_they_were(vector: dict[str, Any]) -> None:
    message = sealed(vector)
    assert hashlib.sha256(message).hexdigest() == vector["sha256"]
    assert message.hex() == vector.get("message", message.hex())
    assert message[24:56].hex() == vector["commitment"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: f"{vector['size']}-bytes")
def test_messages_are_opened_here_and_by_the_library(vector: dict[str, Any], tmp_path: Path) -> None:
    message = sealed(vector)
    key, context = bytes.fromhex(vector["key"]), bytes.fromhex(vector["context"])
    decryptor = Cobblestone256Decryptor(key, context)
    assert decryptor.update(message) + decryptor.finalize() == plaintext(vector["size"])
    path = tmp_path / "message"
    path.write_bytes(message)
    file = SealedFile.at(path, key, context)
    assert file.read(0, file.size) == plaintext(vector["size"])
    file.close()


def test_there_are_short_and_long_ones() -> None:
    assert {0, 16_383, 16_384, 16_385} <= {vector["size"] for vector in VECTORS}
    assert sum("message" in vector for vector in VECTORS) >= 3
