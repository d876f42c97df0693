"""How a file reaches the key that signs it: as its hash, as itself, or in pieces that the server hashes."""

import sys
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from kms.cli.failure import not_usable

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.enums import LogWait
    from hallmark_client.model.keys import PublicKey, Signature
    from hallmark_client.to_sign import SignatureFormat

STANDARD_INPUT: Final = "-"
SUFFIXES: Final[dict[str, str]] = {"raw": "sig", "jws": "jws", "cose": "cose"}
"""Of signature files, by format."""
MANIFEST_CONTEXT: Final = b"hallmark/manifest/v1"
_CHUNK_BYTES: Final = 1024 * 1024
_WHOLE_BYTES_MAX: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked for. `stream`: the server is to hash. `device`: on whose behalf, "" for nobody's."""

    key_name: str
    path: Path
    context: bytes
    form: "SignatureFormat"
    _: KW_ONLY
    stream: bool
    proof: bool
    device: str

    @property
    def wait(self) -> "LogWait":
        return "published" if self.proof else "committed"


def sign_input(client: "Client", wanted: Wanted) -> "tuple[Signature, bytes]":
    """By its hash where the algorithm allows it, so that the file stays here. Raises HallmarkError, OSError.

    The signature, and the context it was made under: keys for manifests have one of their own.
    """
    from hallmark_client.model.enums import Algorithm, KeyPurpose

    if wanted.form != "raw":
        return _sign_whole(client, wanted), wanted.context
    if wanted.stream:
        return _sign_stream(client, wanted), wanted.context
    public_key = client.keys.public_key(wanted.key_name)
    if public_key.algorithm is Algorithm.ED25519:  # signs the message itself
        return _sign_whole(client, wanted), wanted.context
    key = client.keys.get(public_key.name.partition("/versions/")[0])
    if key.purpose is KeyPurpose.MANIFEST:  # has to see that it is one
        return _sign_whole(client, wanted), MANIFEST_CONTEXT
    if not public_key.algorithm.value.startswith("id-"):
        return _sign_stream(client, wanted), wanted.context
    return _sign_digest(client, public_key, wanted), wanted.context


def _sign_digest(client: "Client", public_key: "PublicKey", wanted: Wanted) -> "Signature":
    from hallmark_composite import Prehash

    digest = Prehash(public_key.composite().algorithm)
    for piece in _pieces(wanted.path):
        digest.update(piece)
    return client.signing.sign(
        wanted.key_name, digest=digest.digest(), context=wanted.context, device=wanted.device, wait=wanted.wait
    )


def _sign_whole(client: "Client", wanted: Wanted) -> "Signature":
    data = b""
    for piece in _pieces(wanted.path):
        data += piece
        if len(data) > _WHOLE_BYTES_MAX:
            sentence = f"this key or format has to see the whole file, which may then have {_WHOLE_BYTES_MAX} bytes"
            raise not_usable("FILE_TOO_LARGE", sentence, "Sign a manifest of it, or take a composite key")
    return client.signing.sign(
        wanted.key_name, data, context=wanted.context, format=wanted.form, device=wanted.device, wait=wanted.wait
    )


def _sign_stream(client: "Client", wanted: Wanted) -> "Signature":
    source = _pieces(wanted.path) if str(wanted.path) == STANDARD_INPUT else wanted.path
    return client.signing.sign_stream(
        wanted.key_name, source, context=wanted.context, device=wanted.device, wait=wanted.wait
    )


def _pieces(path: Path) -> Iterator[bytes]:
    if str(path) == STANDARD_INPUT:
        yield from _read(sys.stdin.buffer)
        return
    with path.open("rb") as stream:
        yield from _read(stream)


def _read(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_CHUNK_BYTES):
        yield piece
