"""Offline: check a signature with public material only. No server, no connection, no trust in either."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hallmark_client.errors import SignatureInvalid, VerificationFailed
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.result import Result
from hallmark_composite import CompositeAlgorithm, CompositeError, CompositePublicKey, Prehash, verify

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


def load_public_key(path: str | os.PathLike[str]) -> CompositePublicKey:
    """Read a composite public key: one PEM block "PUBLIC KEY" with a composite OID.

    Raises VerificationFailed (PUBLIC_KEY_INVALID), OSError.
    """
    with Path(path).open("rb") as file:
        data = file.read(_MAX_KEY_FILE_BYTES)
    try:
        return CompositePublicKey.from_spki_pem(data)
    except CompositeError as error:
        raise VerificationFailed("PUBLIC_KEY_INVALID", f"{path} is no composite public key: {error}") from error


def prehash_file(algorithm: CompositeAlgorithm, path: str | os.PathLike[str]) -> bytes:
    """PH(M) of a file's content, read in pieces of 1 MiB: 64 bytes SHA-512, or 32 bytes SHA-256. Raises OSError."""
    digest = Prehash(algorithm)
    with Path(path).open("rb", buffering=0) as file:
        while piece := file.read(_CHUNK_BYTES):
            digest.update(piece)
    return digest.digest()


def verify_file(
    public_key: CompositePublicKey, path: str | os.PathLike[str], signature: bytes, context: bytes = b""
) -> VerifiedFile:
    """Check a composite signature over a file's content, both halves.

    signature: raw LAMPS bytes. context: the one that was signed under. Raises SignatureInvalid, OSError.
    """
    try:
        verify(public_key, signature, digest=prehash_file(public_key.algorithm, path), context=context)
    except CompositeError as error:
        raise SignatureInvalid("SIGNATURE_INVALID", f"{path}: {error}") from error
    return VerifiedFile(
        path=os.fspath(path),
        algorithm=Algorithm(public_key.algorithm.name),
        public_key_sha256=public_key.fingerprint().hex(),
        context=context,
    )
