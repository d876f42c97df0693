"""Attacks on a release itself by somebody who has every online key of the repository, but not the publisher's other
keys: stripped, mixed, swapped, unlogged, too old.
"""

import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from chaos.chaos_world import SOON, Chaos
from hallmark_release import Role, pae, write_bundle
from hallmark_release.client import BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, INDEX_NAME, PROOF_NAME
from hallmark_release.errors import (
    EpochTooOld,
    FormatInvalid,
    LogProofInvalid,
    ReleaseMismatch,
    ReleaseUnknown,
    SourceMissing,
    TargetInvalid,
    WrongKey,
)
from hallmark_release.repository_state import RepositoryState
from unit.hallmark_client.device.updates.update_world import CountingSource
from unit.hallmark_release.release_world import MODEL, log_entry, log_proof, release_files
from unit.hallmark_tlog.virtual_log import WITNESS_ML_DSA

Files = dict[str, bytes]


def listed(chaos: Chaos, change: Callable[[Files, Files], Files]) -> None:
    """Lists what `change` makes of the files of the first and the second release, signed with the online keys."""
    chaos.publisher.list_anything(change(first_files(chaos), release_files(chaos.built)))


def first_files(chaos: Chaos) -> Files:
    found = {}
    for path in (chaos.first_repository / "targets" / MODEL).iterdir():
        found[path.name.partition(".")[2]] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda one, two: two | {INDEX_NAME: one[INDEX_NAME]}, ReleaseMismatch),
        (lambda one, two: two | {BUNDLE_NAME: one[BUNDLE_NAME]}, ReleaseMismatch),
        (lambda one, two: two | {COMPOSITE_BUNDLE_NAME: one[COMPOSITE_BUNDLE_NAME]}, ReleaseMismatch),
        (lambda one, two: two | {PROOF_NAME: one[PROOF_NAME]}, ReleaseMismatch),
        (lambda one, two: two | {COMPOSITE_BUNDLE_NAME: two[BUNDLE_NAME]}, FormatInvalid),
        (lambda one, two: two | {BUNDLE_NAME: two[COMPOSITE_BUNDLE_NAME]}, FormatInvalid),
        (lambda one, two: two | {PROOF_NAME: two[PROOF_NAME][:-9]}, LogProofInvalid),
        (lambda one, two: one, EpochTooOld),
    ],
    ids=[
        "index-of-another",
        "statement-of-another",
        "composite-bundle-of-another",
        "log-proof-of-another",
        "ecdsa-in-place-of-composite",
        "composite-in-place-of-ecdsa",
        "log-proof-cut",
        "older-release-listed-anew",
    ],
)
def test_files_of_different_releases(chaos: Chaos, change: Callable[[Files, Files], Files], error: type) -> None:
    chaos.device.updater().check(MODEL)
    listed(chaos, change)
    chaos.refused(error)
    chaos.publish_next()
    chaos.recovers()


@pytest.mark.parametrize("name", [BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, PROOF_NAME, INDEX_NAME])
def test_a_file_that_is_not_listed(chaos: Chaos, name: str) -> None:
    """A bundle or the log's proof is left out, as if this repository had never had one."""
    state = RepositoryState.load(chaos.publisher.served)
    del state.signed(Role.TARGETS).targets[f"{MODEL}/{name}"]
    state.write(chaos.publisher.served, chaos.publisher.signer, changed={Role.TARGETS}, now=SOON)
    chaos.refused(ReleaseUnknown)
    chaos.publish_next()
    chaos.recovers()


@pytest.mark.parametrize("name", [BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, PROOF_NAME, INDEX_NAME])
def test_a_listed_file_that_is_missing_or_changed(chaos: Chaos, name: str) -> None:
    (path,) = [
        found
        for found in (chaos.copied() / "targets" / MODEL).glob(f"*.{name}")
        if found.read_bytes() == release_files_of_the_repository(chaos)[name]
    ]
    data = path.read_bytes()
    path.unlink()
    chaos.refused(SourceMissing)
    for changed in (data[:-1] + bytes([data[-1] ^ 1]), data[:-1], data + b" "):
        path.write_bytes(changed)
        chaos.refused(TargetInvalid)
    chaos.recovers()


def release_files_of_the_repository(chaos: Chaos) -> Files:
    """ECDSA signatures differ each time they are made: those that are published."""
    targets = RepositoryState.load(chaos.publisher.served).signed(Role.TARGETS).targets
    return {
        name.partition("/")[2]: (
            chaos.publisher.served / "targets" / MODEL / f"{target.hashes['sha256']}.{name.partition('/')[2]}"
        ).read_bytes()
        for name, target in targets.items()
    }


def test_a_proof_under_a_checkpoint_that_no_witness_saw(chaos: Chaos) -> None:
    listed(chaos, lambda _, two: two | {PROOF_NAME: log_proof(log_entry(chaos.built), WITNESS_ML_DSA)})
    chaos.refused(LogProofInvalid)
    chaos.publish_next()
    chaos.recovers()


@pytest.mark.parametrize("changed", [{"epoch": 9}, {"index_sha256": "11" * 32}, {"minimum_epoch": 1}])
def test_a_log_entry_that_says_otherwise(chaos: Chaos, changed: dict) -> None:
    listed(chaos, lambda _, two: two | {PROOF_NAME: log_proof(log_entry(chaos.built, **changed))})
    chaos.refused(ReleaseMismatch)
    chaos.publish_next()
    chaos.recovers()


def test_an_index_with_swapped_parts(chaos: Chaos) -> None:
    """Two files of one size, their rows exchanged: right pieces, wrong names. The log knows another index."""
    index = chaos.built.index
    parts = {part.path: part for part in index.parts}
    one, two = parts["weights.bin"], parts["more.bin"]
    assert one.encrypted_size == two.encrypted_size
    exchanged = {one.path: replace(two, path=one.path), two.path: replace(one, path=two.path)}
    swapped = replace(index, parts=tuple(exchanged.get(part.path, part) for part in index.parts))
    listed(chaos, lambda _, files: files | {INDEX_NAME: swapped.data})
    chaos.refused(ReleaseMismatch)
    chaos.publish_next()
    chaos.recovers()


def test_below_the_minimum_epoch_of_the_service(chaos: Chaos) -> None:
    chaos.device.minimum = 3
    chaos.refused(EpochTooOld)
    chaos.publish_next()
    chaos.recovers()


def test_an_older_release_for_a_device_that_forgot_its_repository(chaos: Chaos) -> None:
    """The folder of updates is gone; the vault has not forgotten."""
    chaos.device.updater().check(MODEL)
    shutil.rmtree(chaos.device.folder / "updates")
    chaos.refused(EpochTooOld, CountingSource(chaos.first_repository))
    chaos.recovers()


def test_another_publishers_statement(chaos: Chaos) -> None:
    """Everything right, but for the key under the statement."""
    key = ec.generate_private_key(ec.SECP256R1())
    signature = key.sign(pae(chaos.built.statement.payload), ec.ECDSA(hashes.SHA256()))
    bundle = write_bundle(chaos.built.statement, signature, key.public_key())
    listed(chaos, lambda _, two: two | {BUNDLE_NAME: bundle})
    chaos.refused(WrongKey)
    chaos.publish_next()
    chaos.recovers()
