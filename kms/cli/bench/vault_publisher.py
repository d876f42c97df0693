"""A publisher with keys in memory, its repository in a folder, and a log of one entry: real signatures throughout."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa, utils
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_composite import DEFAULT_ALGORITHM, CompositePublicKey, message_representative, prehash
from hallmark_composite.encoding import join_public_key, join_signature
from hallmark_events.canonical import Json, canonical_json, format_time
from hallmark_release import (
    BuiltRelease,
    ReleaseTrust,
    Repository,
    Role,
    RoleKey,
    RoleKeys,
    pae,
    write_bundle,
    write_composite_bundle,
    write_log_proof,
)
from hallmark_release.client import BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, INDEX_NAME, PROOF_NAME
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import message_to_sign, signature_line
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.note import Note, SignatureLine
from hallmark_tlog.policy import Policy, parse_policy
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.vkey import KeyType, VerifierKey

ORIGIN: Final = "bench.hallmark.example/log"


class NoteKey:
    """Signs checkpoints. Ed25519 signs no time, the others do (C2SP signed-note, tlog-cosignature)."""

    def __init__(self, name: str, kind: KeyType) -> None:
        is_ml_dsa = kind is KeyType.ML_DSA_44
        self._private = mldsa.MLDSA44PrivateKey.generate() if is_ml_dsa else Ed25519PrivateKey.generate()
        self.vkey: Final = VerifierKey(name, kind, self._private.public_key().public_bytes_raw())

    def line(self, checkpoint: Checkpoint, now: datetime) -> SignatureLine:
        time = None if self.vkey.type is KeyType.ED25519 else int(now.timestamp())
        message = message_to_sign(self.vkey, checkpoint, timestamp=time)
        return signature_line(self.vkey, self._private.sign(message), timestamp=time)


class CompositeKey:
    def __init__(self) -> None:
        self._ml_dsa = mldsa.MLDSA65PrivateKey.generate()
        self._ec = ec.generate_private_key(ec.SECP256R1())
        point = self._ec.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        ml_dsa = self._ml_dsa.public_key().public_bytes_raw()
        joined = join_public_key(DEFAULT_ALGORITHM, ml_dsa=ml_dsa, ec_point=point)
        self.public_key: Final = CompositePublicKey.from_bytes(DEFAULT_ALGORITHM, joined)

    def sign(self, message: bytes) -> bytes:
        algorithm = DEFAULT_ALGORITHM
        signed = message_representative(algorithm, prehash(algorithm, message), b"")
        digest = hashlib.new(algorithm.ecdsa_hash, signed).digest()
        ecdsa = self._ec.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        return join_signature(algorithm, ml_dsa=self._ml_dsa.sign(signed, algorithm.label), ecdsa_der=ecdsa)


@dataclass
class RoleSigners:
    """`RoleSigner` of the repository."""

    private: dict[str, ec.EllipticCurvePrivateKey | mldsa.MLDSA65PrivateKey] = field(default_factory=dict)

    def new_keys(self, role: Role) -> RoleKeys:
        ecdsa, ml_dsa = ec.generate_private_key(ec.SECP256R1()), mldsa.MLDSA65PrivateKey.generate()
        self.private |= {f"bench:{role}-ecdsa": ecdsa, f"bench:{role}-ml-dsa": ml_dsa}
        return RoleKeys(
            RoleKey(f"bench:{role}-ecdsa", ecdsa.public_key()), RoleKey(f"bench:{role}-ml-dsa", ml_dsa.public_key())
        )

    def sign(self, key: RoleKey, message: bytes) -> bytes:
        private = self.private[key.uri]
        if isinstance(private, mldsa.MLDSA65PrivateKey):
            return private.sign(message)
        return private.sign(message, ec.ECDSA(hashes.SHA256()))


class BenchPublisher:
    def __init__(self, folder: Path, now: datetime) -> None:
        self._now = now
        self._log = (NoteKey(ORIGIN, KeyType.ED25519), NoteKey(ORIGIN, KeyType.ML_DSA_44))
        self._witness = NoteKey("bench.hallmark.example/witness", KeyType.ED25519_COSIGNATURE)
        self._statement = ec.generate_private_key(ec.SECP256R1())
        self._composite = CompositeKey()
        signers = RoleSigners()
        self.repository = Repository.create(folder, signers, keys={r: signers.new_keys(r) for r in Role}, now=now)
        self.trust = ReleaseTrust(
            self.repository.root(), self._statement.public_key(), self._composite.public_key, self._policy()
        )

    def publish(self, built: BuiltRelease, out: Path) -> None:
        """out: where it was built."""
        self.repository.add_parts(out, built.index)
        message, ecdsa = pae(built.statement.payload), ec.ECDSA(hashes.SHA256())
        signature = self._statement.sign(message, ecdsa)
        files = {
            BUNDLE_NAME: write_bundle(built.statement, signature, self._statement.public_key()),
            COMPOSITE_BUNDLE_NAME: write_composite_bundle(
                built.statement, self._composite.sign(message), self._composite.public_key
            ),
            INDEX_NAME: built.index.data,
            PROOF_NAME: self._proof(self._entry(built)),
        }
        self.repository.publish(files, now=self._now)

    def _policy(self) -> Policy:
        logs = "".join(f"log {key.vkey}\n" for key in self._log)
        return parse_policy(f"{logs}witness one {self._witness.vkey}\nquorum one\n")

    def _proof(self, entry: bytes) -> bytes:
        checkpoint = Checkpoint(ORIGIN, 1, leaf_hash(entry))
        lines = tuple(key.line(checkpoint, self._now) for key in (*self._log, self._witness))
        return write_log_proof(bytes(TlogProof(0, (), bytes(Note(str(checkpoint), lines)))), entry)

    def _entry(self, built: BuiltRelease) -> bytes:
        """As kms.releases writes it."""
        release = built.index.release
        details: dict[str, Json] = {
            "envelope_sha256": "00" * 32,
            "epoch": release.epoch,
            "index_sha256": built.index.sha256.hex(),
            "key_version": "tenants/default/keys/bench/versions/1",
            "kind": built.index.kind,
            "minimum_epoch": release.minimum_epoch,
            "model": f"tenants/{release.tenant}/models/{release.model}",
            "requires_consent": False,
            "version": release.version,
        }
        return canonical_json(
            {
                "details": details,
                "id": "0190a5c8-0000-7000-8000-000000000001",
                "subject": f"tenants/{release.tenant}/releases/{built.statement.sha256.hex()}",
                "tenant": release.tenant,
                "time": format_time(self._now),
                "type": "release.created",
                "v": 1,
            }
        )
