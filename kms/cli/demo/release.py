"""Step: a model is released: encrypted, signed twice, made known and logged, and listed where phones find it."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from hallmark_client.model.consents import ArtifactKind
from hallmark_release.client import PROOF_NAME
from hallmark_release.log_proof import write_log_proof
from hallmark_release.repository import Repository
from hallmark_release.source import open_source
from hallmark_release.trust import ReleaseTrust, parse_log_policy
from hallmark_release.verify import verify_release
from kms.cli.demo.ota_stage import MODEL, VERSION
from kms.cli.demo.stage import Stage, hold
from kms.cli.output import short, write_file
from kms.cli.release.building import DEFAULT_KIND, Wanted, build_with
from kms.cli.release.clock import system_now
from kms.cli.release.service_keys import (
    KeyNames,
    ServiceSigner,
    all_role_keys,
    composite_key,
    create_all,
    ecdsa_key,
)
from kms.cli.release.workspace import SealedContentKey, release_files, sign_built

if TYPE_CHECKING:
    from hallmark_client.model.releases import ReleaseCreated
    from hallmark_release.build import BuiltRelease

_KEYS: Final = KeyNames("release")
_MIB: Final = 1 << 20
_FILES: Final = {
    "config.json": b'{"layers": 2, "name": "pocket-assistant"}\n',
    "tokenizer/vocabulary.txt": b"".join(b"word %d\n" % number for number in range(20_000)),
}
_WEIGHTS: Final = {"weights/layer-1.bin": 6 * _MIB, "weights/layer-2.bin": 3 * _MIB}
"""Random bytes: the shape of a model, not one that answers."""


def publish_release(stage: Stage) -> Sequence[str]:
    """1. keys and an empty repository  2. build, sign, make known, list  3. verify it as anybody could."""
    repository = _open_repository(stage)
    _write_model(stage)
    built = _build(stage)
    known = _make_known(stage, built)
    repository.add_parts(stage.ota.built, built.index)
    repository.publish(release_files(stage.ota.built), now=system_now())
    stage.ota.release = verify_release(open_source(str(stage.ota.repository)), MODEL, stage.ota.trust, now=system_now())
    hold(stage.ota.release.name == known.release.name, "the repository lists another release than was made known")
    stage.findings.release_published = True
    return (
        f"{MODEL} {VERSION}: {len(built.index.parts)} files, {built.index.size / _MIB:.1f} MiB, encrypted once",
        "its content key is kept sealed to a key of the service",
        "the statement is signed with ECDSA P-256 (OpenSSF Model Signing) and with a hybrid key (ML-DSA-65 and ECDSA)",
        f"made known as epoch {known.release.epoch}; log entry {known.log.leaf_index}, with a proof to check offline",
        "TUF metadata lists it: each of four roles is signed with ECDSA P-256 and ML-DSA-65, and both must hold",
    )


def _open_repository(stage: Stage) -> Repository:
    """Empty; and what devices are to trust, which they get by another way."""
    list(create_all(stage.client("admin"), _KEYS))
    backend = stage.client("backend")
    repository = Repository.create(
        stage.ota.repository, ServiceSigner(backend), keys=all_role_keys(backend, _KEYS), now=system_now()
    )
    log = "".join(f"log {key}\n" for key in stage.log.verifier_keys) + "quorum none\n"
    stage.ota.trust = ReleaseTrust(
        root=repository.root(),
        ecdsa=ecdsa_key(backend, _KEYS),
        composite=composite_key(backend, _KEYS),
        policy=parse_log_policy(log.encode()),
    )
    return repository


def _write_model(stage: Stage) -> None:
    for path, content in {**_FILES, **{path: os.urandom(size) for path, size in _WEIGHTS.items()}}.items():
        file = stage.ota.model / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _build(stage: Stage) -> "BuiltRelease":
    wanted = Wanted(
        folder=stage.ota.model,
        out=stage.ota.built,
        model=MODEL,
        version=VERSION,
        epoch=None,
        minimum_epoch=0,
        kind=DEFAULT_KIND,
        ignore=(),
    )
    built = build_with(stage.client("backend"), _KEYS, wanted)
    sign_built(stage.client("backend"), _KEYS, stage.ota.built, built)
    return built


def _make_known(stage: Stage, built: "BuiltRelease") -> "ReleaseCreated":
    """From now on the service gives its key to devices that may have it. The proof in the log goes beside it."""
    release, sealed = built.index.release, SealedContentKey.read(stage.ota.built)
    created = stage.client("backend").releases.create(
        release.model,
        version=release.version,
        epoch=release.epoch,
        kind=ArtifactKind.MODEL_WEIGHTS,
        statement_sha256=built.statement.sha256,
        index_sha256=built.index.sha256,
        key_version=sealed.key_version,
        content_key_envelope=sealed.envelope,
        content_key_info=sealed.info,
        requires_consent=True,
        wait="published",
    )
    hold(created.release.requires_consent, f"{short(created.release.name)} would be given to devices without consent")
    write_file(stage.ota.built / PROOF_NAME, write_log_proof(created.log.tlog_proof, created.log.entry))
    return created
