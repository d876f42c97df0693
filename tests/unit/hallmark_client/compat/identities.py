"""What an attester needs of an identity, without quantumshield."""

import secrets
from dataclasses import dataclass
from enum import StrEnum


class Algorithm(StrEnum):
    ML_DSA_44 = "ML-DSA-44"
    ML_DSA_65 = "ML-DSA-65"
    ML_DSA_87 = "ML-DSA-87"
    ED25519 = "Ed25519"


@dataclass(frozen=True)
class Keypair:
    private_key: bytes
    algorithm: Algorithm


@dataclass(frozen=True)
class Identity:
    did: str
    signing_keypair: Keypair


def new_identity(algorithm: Algorithm = Algorithm.ML_DSA_65) -> Identity:
    return Identity(f"did:test:{secrets.token_hex(8)}", Keypair(secrets.token_bytes(32), algorithm))
