"""Steps: tampered copies are refused, the key is refused without consent, and with it the phone takes the release."""

import shutil
import time
from collections.abc import Sequence
from typing import Final

from hallmark_client.device.updates import Updater, UpdateSettings
from hallmark_client.errors import FailedPrecondition
from hallmark_client.model.consents import ArtifactKind, ConsentArtifact
from hallmark_release.errors import MetadataUnsigned, PieceInvalid, ReleaseError
from kms.cli.demo.ota_device import APP, has_model, is_usable
from kms.cli.demo.ota_stage import MODEL, milliseconds_since, until
from kms.cli.demo.release_tampering import Tamper, flip_bit, strip_ml_dsa
from kms.cli.demo.stage import DemoFailed, Stage, hold
from kms.cli.output import short

_SETTINGS: Final = UpdateSettings(needs_permission=True, attempts=1)
"""A folder needs no second attempt; and the app may use the model while a lease says so, not longer."""
_SAMPLE: Final = 32
"""Bytes: long enough to stand nowhere by chance."""
_CONTROLLER: Final = "https://assistant.example"


def refuse_tampered_release(stage: Stage) -> Sequence[str]:
    """A stolen web server: one bit of the encrypted weights, and metadata without its post-quantum signature."""
    piece = _refusal(stage, "one-bit", flip_bit)
    hold(isinstance(piece, PieceInvalid), f"one changed bit was refused for another reason: {piece!r}")
    unsigned = _refusal(stage, "stripped", strip_ml_dsa)
    hold(isinstance(unsigned, MetadataUnsigned), f"a missing signature was refused for another reason: {unsigned!r}")
    hold(not has_model(stage.ota), "something of a tampered release is in the vault")
    stage.findings.tampered_release_refused = True
    return (
        f"one bit of the encrypted weights changed: {piece.reason}",
        f"the ML-DSA-65 signature taken off the metadata, the ECDSA one left: {unsigned.reason}",
        "nothing of either is in the vault; no key was asked for",
    )


def refuse_without_consent(stage: Stage) -> Sequence[str]:
    refused = key_refusal(stage)
    hold(refused == "LEASE_REQUIRED", f"the key was refused for another reason: {refused}")
    stage.findings.unconsented_refused = True
    return (
        f"the phone is attested and asks for the key of {short(stage.ota.release.name)[:21]}...: {refused}",
        "the service gives it to a device with a live lease, which a person's consent stands behind",
    )


def update_phone(stage: Stage) -> Sequence[str]:
    """Latency: of the whole update, from the repository's metadata to the model in the vault."""
    ota, device = stage.ota, stage.ota.running()
    ota.consent = _grant(stage, device.name)
    began = time.monotonic()
    installed = device.updater(ota.repository, ota.trust, settings=_SETTINGS).update(MODEL)
    stage.findings.update_latency_ms = milliseconds_since(began)
    hold(installed.artifact.digest == ota.release.statement.sha256.hex(), "another release was installed")
    until(lambda: is_usable(ota), "the phone did not hear of its lease")
    compared = _compare(stage)
    hold(not _is_in_clear(stage), "the phone's disk has plaintext of the model")
    stage.findings.update_installed = compared == ota.release.index.size
    return (
        "verified first: metadata, both signatures of the statement, its place in the log, the epoch; then each piece",
        f"{installed.fetched:,} bytes fetched; the key came last, sealed to this phone; all was opened in memory,",
        f"compared with what was signed, and in the vault at once: {stage.findings.update_latency_ms} ms in all",
        f"the app reads {compared:,} bytes, as published; no file of the phone has them in clear",
    )


def key_refusal(stage: Stage) -> str:
    """Why the service does not give the key of the release to the phone. Raises DemoFailed when it does."""
    try:
        key = stage.ota.running().request_key(stage.ota.release.artifact)
    except FailedPrecondition as error:
        return error.reason
    key[:] = bytes(len(key))
    raise DemoFailed("the service gave the key of the release to a phone without consent")


def _grant(stage: Stage, device: str) -> str:
    """The consent's name. Its lease for the phone comes with it."""
    change = stage.client("backend").consents.grant(
        "owner of the phone",
        controller=_CONTROLLER,
        purposes=["dpv:ServiceProvision"],
        artifacts=[ConsentArtifact(artifact=stage.ota.release.artifact, kind=ArtifactKind.MODEL_WEIGHTS)],
        devices=[device],
    )
    return change.consent.name


def _compare(stage: Stage) -> int:
    """Bytes that the app reads and that are those of the publisher. Raises DemoFailed."""
    vault, read = stage.ota.running().vault, 0
    for part in vault.find(MODEL).parts:
        content = vault.read(MODEL, part=part.path, caller=APP)
        hold(content == (stage.ota.model / part.path).read_bytes(), f"{part.path} is not what was published")
        read += len(content)
    return read


def _refusal(stage: Stage, name: str, tamper: Tamper) -> ReleaseError:
    """What an update from a tampered copy ends with. Raises DemoFailed when it does not end so."""
    copy = stage.ota.folder / name
    shutil.copytree(stage.ota.repository, copy)
    tamper(copy, stage.ota.release.index)
    vault, folder = stage.ota.running().vault, stage.ota.phone / f"updates-{name}"
    updater = Updater(vault, copy, stage.ota.trust, key_source=_no_key, folder=folder, settings=_SETTINGS)
    try:
        updater.update(MODEL)
    except ReleaseError as error:
        return error
    raise DemoFailed(f"an update from a tampered copy ({name}) was not refused")


def _no_key(artifact: str, /, *, epoch: int) -> bytearray:
    raise DemoFailed(f"the key of {short(artifact)} (epoch {epoch}) was asked for before its pieces were checked")


def _is_in_clear(stage: Stage) -> bool:
    """Whether a file of the phone has the beginning of one of the publisher's."""
    begins = [(stage.ota.model / part.path).read_bytes()[:_SAMPLE] for part in stage.ota.release.index.parts]
    files = [path.read_bytes() for path in stage.ota.phone.rglob("*") if path.is_file()]
    return any(begin in content for content in files for begin in begins)
