"""A nonce of fixed sizes in evidence: is it the caller's challenge, and does it name the key to enrol?

Without a key the nonce is the challenge itself. With one it is the hash of challenge || key (DER SubjectPublicKeyInfo)
by the SHA-2 of the nonce's own size: 32 bytes SHA-256, 48 bytes SHA-384, 64 bytes SHA-512.
"""

import hmac
from hashlib import sha256, sha384, sha512
from typing import Final

from attestation.model import Expectation, Finding
from attestation.reasons import Reason

_HASHES: Final = {32: sha256, 48: sha384, 64: sha512}


def check_nonce(found: bytes, expectation: Expectation, *, padded: bool = False) -> list[Finding]:
    """CHALLENGE_MISMATCH, or KEY_MISMATCH when the challenge is there and the key is not. `padded`: a shorter challenge
    is filled up with zeros to the size of the nonce. Compared in constant time.
    """
    challenge, key = expectation.challenge, expectation.key_spki
    plain = hmac.compare_digest(found, challenge.ljust(len(found), b"\0") if padded else challenge)
    if key is None:
        return [] if plain else [Finding(Reason.CHALLENGE_MISMATCH, "the nonce is not the challenge")]
    new = _HASHES.get(len(found))
    if new is not None and hmac.compare_digest(found, new(challenge + key).digest()):
        return []
    if plain:
        return [Finding(Reason.KEY_MISMATCH, "the nonce is the challenge alone and names no key")]
    return [Finding(Reason.CHALLENGE_MISMATCH, "the nonce is not the hash of this challenge and this key")]
