"""Offline: check a signature with public material only. No server, no connection, no trust in either."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hallmark_client.errors import HallmarkError, SignatureInvalid, VerificationFailed
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.result import Result
from hallmark_client.verifying_key import PlainPublicKey, VerifyingKey, algorithm_of, verifying_key
from hallmark_composite import CompositeAlgorithm, CompositeError, Prehash, verify
from hallmark_composite.encoding import decode_pem

_CHUNK_BYTES: Final = 1024 * 1024
_MAX_KEY_FILE_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedFile(Result):
    """Proved: the holder of the key signed exactly this content under this context.

    public_key_sha256: hex, of the SubjectPublicKeyInfo in DER; the server tells the same for its key versions.
    """

    path: str
    algorithm: Algorithm
    public_key_sha256: str
    context: bytes


def load_public_key(path: str | os.PathLike[str]) -> VerifyingKey:
    """Read a public key of any algorithm that signs: one PEM block "PUBLIC KEY", as `hallmark keys public` writes it.

    Raises VerificationFailed (PUBLIC_KEY_INVALID), OSError.
    """
    with Path(path).open("rb") as file:
        data = file.read(_MAX_KEY_FILE_BYTES)
    try:
        return verifying_key(decode_pem(data))
    except (CompositeError, HallmarkError) as error:
        raise VerificationFailed("PUBLIC_KEY_INVALID", f"{path} is no public key that signs: {error}") from error


def prehash_file(algorithm: CompositeAlgorithm, path: str | os.PathLike[str]) -> bytes:
    """PH(M) of a file's content, read in pieces of 1 MiB: 64 bytes SHA-512, or 32 bytes SHA-256. Raises OSError."""
    digest = Prehash(algorithm)
    for piece in _pieces(path):
        digest.update(piece)
    return digest.digest()


def signed_input(public_key: VerifyingKey, path: str | os.PathLike[str], context: bytes = b"") -> bytes:
    """What a key signs for a file's content: PH(M), H(M), mu or M; the log holds its SHA-256. Raises OSError."""
    if isinstance(public_key, PlainPublicKey):
        return public_key.signed_input(_pieces(path), context=context)
    return prehash_file(public_key.algorithm, path)


def verify_file(
    public_key: VerifyingKey, path: str | os.PathLike[str], signature: bytes, context: bytes = b""
) -> VerifiedFile:
    """Check a signature over a file's content, of a composite both halves.

    signature: the algorithm's own bytes. context: the one that was signed under; ECDSA and Ed25519 have none. Raises
    SignatureInvalid, OSError.
    """
    try:
        if isinstance(public_key, PlainPublicKey):
            public_key.verify(signature, _pieces(path), context=context)
        else:
            verify(public_key, signature, digest=prehash_file(public_key.algorithm, path), context=context)
    except (CompositeError, SignatureInvalid) as error:
        raise SignatureInvalid("SIGNATURE_INVALID", f"{path}: {error}") from error
    return VerifiedFile(
        path=os.fspath(path),
        algorithm=algorithm_of(public_key),
        public_key_sha256=public_key.fingerprint().hex(),
        context=context,
    )


def _pieces(path: str | os.PathLike[str]) -> Iterator[bytes]:
    with Path(path).open("rb", buffering=0) as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece
