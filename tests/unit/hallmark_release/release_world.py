"""A publisher and its log with keys in memory: real signatures, real encryption, a real repository in a folder."""

import functools
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, mldsa

from composite_keys import SoftwareCompositeKey
from hallmark_composite import DEFAULT_ALGORITHM
from hallmark_events.canonical import canonical_json, format_time
from hallmark_release import (
    BuiltRelease,
    ReleaseId,
    ReleaseTrust,
    Repository,
    Role,
    RoleKey,
    RoleKeys,
    build_release,
    pae,
    write_bundle,
    write_composite_bundle,
    write_log_proof,
)
from hallmark_release.client import BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, INDEX_NAME, PROOF_NAME
from hallmark_release.repository_state import RepositoryState
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.prove import inclusion_proof
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    WITNESS_ED25519,
    VirtualLog,
    naive_root,
    sign_note,
)

NOW = datetime(2026, 11, 22, 9, 0, 0, 123456, tzinfo=UTC)
MODEL = "example-7b"
TENANT = "default"
POLICY = parse_policy(
    f"log {LOG_ED25519.vkey}\nlog {LOG_ML_DSA.vkey}\nwitness one {WITNESS_ED25519.vkey}\nquorum one\n"
)


@functools.cache
def composite_key() -> SoftwareCompositeKey:
    return SoftwareCompositeKey(DEFAULT_ALGORITHM)


@functools.cache
def statement_key() -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(20261122, ec.SECP256R1())


@dataclass
class SoftSigner:
    """Private keys by uri."""

    private: dict[str, object] = field(default_factory=dict)

    def new_keys(self, name: str) -> RoleKeys:
        ecdsa, ml_dsa = ec.generate_private_key(ec.SECP256R1()), mldsa.MLDSA65PrivateKey.generate()
        self.private[f"soft:{name}-ecdsa"], self.private[f"soft:{name}-ml-dsa"] = ecdsa, ml_dsa
        return RoleKeys(
            RoleKey(f"soft:{name}-ecdsa", ecdsa.public_key()), RoleKey(f"soft:{name}-ml-dsa", ml_dsa.public_key())
        )

    def sign(self, key: RoleKey, message: bytes) -> bytes:
        private = self.private[key.uri]
        if isinstance(private, mldsa.MLDSA65PrivateKey):
            return private.sign(message)
        return private.sign(message, ec.ECDSA(hashes.SHA256()))


@dataclass
class Publisher:
    """`folder/repository` is what is served, `folder/state` what a verifier remembers."""

    folder: Path
    signer: SoftSigner = field(default_factory=SoftSigner)
    content_keys: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.keys = {role: self.signer.new_keys(role) for role in Role}
        self.repository = Repository.create(self.folder / "repository", self.signer, keys=self.keys, now=NOW)
        self.trust = ReleaseTrust(
            self.repository.root(), statement_key().public_key(), composite_key().public_key, POLICY
        )

    @property
    def served(self) -> Path:
        return self.repository.folder

    def build(
        self, files: dict[str, bytes], *, epoch: int = 1, minimum_epoch: int = 0, model: str = MODEL
    ) -> BuiltRelease:
        source = self.folder / f"plain-{model}-{epoch}"
        for path, data in files.items():
            (source / path).parent.mkdir(parents=True, exist_ok=True)
            (source / path).write_bytes(data)
        self.content_keys[epoch] = secrets.token_bytes(32)
        return build_release(
            source,
            self.folder / f"built-{model}-{epoch}",
            release=ReleaseId(
                tenant=TENANT, model=model, version=f"1.{epoch}", epoch=epoch, minimum_epoch=minimum_epoch
            ),
            release_id=secrets.token_hex(16),
            kind="model-weights",
            key=self.content_keys[epoch],
        )

    def publish(
        self, files: dict[str, bytes], *, epoch: int = 1, now: datetime = NOW, **options: object
    ) -> BuiltRelease:
        built = self.build(files, epoch=epoch, **options)
        model = built.index.release.model
        self.repository.add_parts(self.folder / f"built-{model}-{epoch}", built.index)
        self.repository.publish(release_files(built), now=now)
        return built

    def list_anything(self, files: dict[str, bytes], *, model: str = MODEL) -> None:
        """As whoever has the online keys of TUF could, and no rule of ours in the way."""
        self.repository._list(RepositoryState.load(self.served), model, 1, files, NOW)


def release_files(built: BuiltRelease) -> dict[str, bytes]:
    message = pae(built.statement.payload)
    return {
        BUNDLE_NAME: write_bundle(
            built.statement,
            statement_key().sign(message, ec.ECDSA(hashes.SHA256())),
            statement_key().public_key(),
        ),
        COMPOSITE_BUNDLE_NAME: write_composite_bundle(
            built.statement, composite_key().sign(message), composite_key().public_key
        ),
        INDEX_NAME: built.index.data,
        PROOF_NAME: log_proof(log_entry(built)),
    }


def log_entry(built: BuiltRelease, **changed: object) -> bytes:
    """As kms.releases writes it."""
    release = built.index.release
    details = {
        "envelope_sha256": "00" * 32,
        "epoch": release.epoch,
        "index_sha256": built.index.sha256.hex(),
        "key_version": "tenants/default/keys/release-content/versions/1",
        "kind": built.index.kind,
        "minimum_epoch": release.minimum_epoch,
        "model": f"tenants/{release.tenant}/models/{release.model}",
        "requires_consent": False,
        "version": release.version,
        **changed,
    }
    return canonical_json(
        {
            "details": details,
            "id": "0190a5c8-0000-7000-8000-000000000001",
            "subject": f"tenants/{release.tenant}/releases/{built.statement.sha256.hex()}",
            "tenant": release.tenant,
            "time": format_time(NOW),
            "type": "release.created",
            "v": 1,
        }
    )


def log_proof(entry: bytes, *witnesses: object) -> bytes:
    log = VirtualLog([b"before", entry, b"after"])
    path = inclusion_proof(1, 3, lambda level, index: _node(log, level, index))
    note = sign_note(log.checkpoint, LOG_ED25519, LOG_ML_DSA, *(witnesses or (WITNESS_ED25519,)))
    return write_log_proof(bytes(TlogProof(1, tuple(path), note)), entry)


def _node(log: VirtualLog, level: int, index: int) -> bytes:
    return naive_root(log.leaves[index << level : (index + 1) << level])


def later(**span: float) -> datetime:
    return NOW + timedelta(**span)
