"""The whole way, then every attack that notes of TUF and of this system know, each refused by its own error."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from composite_keys import SoftwareCompositeKey
from hallmark_composite import DEFAULT_ALGORITHM
from hallmark_release import (
    BuiltRelease,
    FolderSource,
    ReleaseTrust,
    Role,
    open_part,
    verify_parts,
    verify_release,
)
from hallmark_release.client import BUNDLE_NAME, COMPOSITE_BUNDLE_NAME, INDEX_NAME, PROOF_NAME
from hallmark_release.errors import (
    CompositeInvalid,
    EpochTooOld,
    FormatInvalid,
    LogProofInvalid,
    MetadataExpired,
    MetadataInvalid,
    MetadataRolledBack,
    MetadataUnsigned,
    ReleaseError,
    ReleaseMismatch,
    ReleaseUnknown,
    SignatureInvalid,
    SourceMissing,
    TargetInvalid,
    TrustUnusable,
    WrongKey,
)
from unit.hallmark_release.release_world import (
    MODEL,
    NOW,
    Publisher,
    composite_key,
    later,
    log_entry,
    log_proof,
    release_files,
)
from unit.hallmark_tlog.virtual_log import WITNESS_ML_DSA

FILES = {
    "config.json": b'{"hidden": 4096}',
    "weights/model.safetensors": secrets.token_bytes(5 * 1024 * 1024 + 3),
    "tokenizer.json": b"{}",
}


def verify(publisher: Publisher, *, state: Path | None = None, **options):
    options = {"now": NOW, "trust": publisher.trust, "model": MODEL} | options
    model, trust = options.pop("model"), options.pop("trust")
    return verify_release(FolderSource(publisher.served), model, trust, state=state, **options)


def test_a_release_from_folder_to_plaintext(publisher: Publisher) -> None:
    built = publisher.publish(FILES, epoch=7, minimum_epoch=3)
    release = verify(publisher, minimum_epoch=7)
    assert (release.statement, release.index) == (built.statement, built.index)
    assert release.name == f"tenants/default/releases/{built.statement.sha256.hex()}"
    assert release.artifact == f"tenants/default/artifacts/{built.statement.sha256.hex()}"
    assert release.log.cosigners == ("witness.example/one",)
    source = FolderSource(publisher.served)
    assert verify_parts(source, release).parts == len(FILES)
    for signed in release.statement.files:
        part = release.index.part(signed.path)
        location = publisher.served / part.location
        plaintext = bytearray()
        with location.open("rb") as encrypted:
            options = {"key": publisher.content_keys[7], "context": release.index.context(part)}
            assert open_part(part, signed, encrypted=encrypted, **options).size == part.size
            open_part(part, signed, encrypted=encrypted, sink=plaintext.extend, **options)
        assert plaintext == FILES[signed.path]


def test_only_the_newest_release_of_a_model_is_current(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(FILES, epoch=1)
    newest = publisher.publish({"a": b"b"}, epoch=2, now=later(hours=1))
    publisher.publish({"c": b"d"}, epoch=1, model="other", now=later(hours=2))
    assert verify(publisher).index == newest.index
    assert publisher.repository.models() == (MODEL, "other")
    with pytest.raises(EpochTooOld):
        verify(publisher, minimum_epoch=3)
    with pytest.raises(ReleaseUnknown):
        verify(publisher, model="nobody")
    publisher.repository.withdraw("other", now=later(hours=3))
    with pytest.raises(ReleaseUnknown):
        verify(publisher, model="other")


def test_frozen_then_refreshed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(FILES)
    verify(publisher, now=later(days=6.9))
    with pytest.raises(MetadataExpired):
        verify(publisher, now=later(days=8))
    assert publisher.repository.refresh(now=later(days=8)) == (Role.TIMESTAMP,)
    verify(publisher, now=later(days=8))
    assert publisher.repository.refresh(now=later(days=20)) == (Role.SNAPSHOT, Role.TIMESTAMP)
    assert publisher.repository.refresh(now=later(days=300)) == tuple(Role)
    verify(publisher, now=later(days=300))
    with pytest.raises(MetadataExpired):  # a clock set forward is no way in either
        verify(publisher, now=later(days=4000))


def test_time_is_the_callers(publisher: Publisher) -> None:
    """Metadata that has expired by this machine's clock is fresh at an earlier trusted time."""
    publisher.publish(FILES)
    expired = verify(publisher, now=NOW).freshness.expires
    assert (expired - NOW).days in (6, 7)


def test_a_rolled_back_repository_is_noticed_by_who_remembers(publisher: Publisher, tmp_path: Path) -> None:
    publisher.publish(FILES, epoch=1)
    old = shutil.copytree(publisher.served, tmp_path / "old")
    publisher.publish(FILES, epoch=2, now=later(hours=1))
    verify(publisher, state=tmp_path / "state")
    with pytest.raises(MetadataRolledBack):
        verify_release(FolderSource(old), MODEL, publisher.trust, now=NOW, state=tmp_path / "state")
    with pytest.raises(EpochTooOld):  # without a memory the minimum epoch helps
        verify_release(FolderSource(old), MODEL, publisher.trust, now=NOW, minimum_epoch=2)


@pytest.mark.parametrize("role", list(Role))
def test_rotated_keys(publisher: Publisher, tmp_path: Path, role: Role) -> None:
    publisher.publish(FILES)
    verify(publisher, state=tmp_path / "state")
    publisher.repository.rotate(role, publisher.signer.new_keys(f"{role}-2"), now=later(hours=1))
    verify(publisher, state=tmp_path / "state")
    verify(publisher)  # from the root that was pinned at first
    old = publisher.keys[role]
    del publisher.signer.private[old.ecdsa.uri]  # gone for good
    publisher.repository.refresh(now=later(hours=2), also={role})
    verify(publisher, state=tmp_path / "state", now=later(hours=2))


def strip(path: Path, marker: bytes) -> None:
    """Drops the signature of one kind: those of ML-DSA are the long ones."""
    import json

    document = json.loads(path.read_bytes())
    kept = [each for each in document["signatures"] if (len(each["sig"]) > 1000) != (marker == b"ml-dsa")]
    assert len(kept) < len(document["signatures"])
    document["signatures"] = kept
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("kind", [b"ml-dsa", b"ecdsa"])
def test_a_stripped_signature(publisher: Publisher, kind: bytes) -> None:
    publisher.publish(FILES)
    strip(publisher.served / "metadata/timestamp.json", kind)
    with pytest.raises(MetadataUnsigned, match="1/2"):
        verify(publisher)


def target(publisher: Publisher, name: str) -> Path:
    (found,) = (publisher.served / "targets" / MODEL).glob(f"*.{name}")
    return found


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("spoil", "error"),
    [
        (lambda p: flip(target(p, INDEX_NAME)), TargetInvalid),
        (lambda p: target(p, BUNDLE_NAME).write_bytes(b"x" * 99), TargetInvalid),
        (lambda p: target(p, PROOF_NAME).unlink(), SourceMissing),
        (lambda p: (p.served / "metadata/timestamp.json").unlink(), SourceMissing),
        (lambda p: (p.served / "metadata/timestamp.json").write_bytes(b"[]"), MetadataInvalid),
        (lambda p: flip(p.served / "metadata/2.targets.json"), MetadataInvalid),
        (lambda p: (p.served / "metadata/2.snapshot.json").write_bytes(bytes(3_000_000)), MetadataInvalid),
    ],
    ids=[
        "changed-index",
        "longer-or-shorter-bundle",
        "no-proof",
        "no-timestamp",
        "no-metadata-at-all",
        "changed-targets",
        "endless-snapshot",
    ],
)
def test_a_spoiled_repository(publisher: Publisher, spoil: Callable, error: type[ReleaseError]) -> None:
    publisher.publish(FILES)
    spoil(publisher)
    with pytest.raises(error) as caught:
        verify(publisher)
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("name", "make", "error"),
    [
        (BUNDLE_NAME, lambda one, two: two[BUNDLE_NAME], ReleaseMismatch),
        (COMPOSITE_BUNDLE_NAME, lambda one, two: two[COMPOSITE_BUNDLE_NAME], ReleaseMismatch),
        (INDEX_NAME, lambda one, two: two[INDEX_NAME], ReleaseMismatch),
        (PROOF_NAME, lambda one, two: two[PROOF_NAME], ReleaseMismatch),
        (BUNDLE_NAME, lambda one, two: one[COMPOSITE_BUNDLE_NAME], FormatInvalid),
        (PROOF_NAME, lambda one, two: one[PROOF_NAME][:-5], LogProofInvalid),
    ],
    ids=["bundle", "composite-bundle", "index", "proof", "bundle-of-the-other-kind", "cut-proof"],
)
def test_a_mix_of_two_releases_that_the_targets_role_signed(
    publisher: Publisher, name: str, make: Callable, error: type[ReleaseError]
) -> None:
    """Whoever has the online keys of TUF alone still can not put a release together."""
    one = release_files(publisher.build(FILES, epoch=1))
    two = release_files(publisher.build(FILES, epoch=2))
    publisher.list_anything(one | {name: make(one, two)})
    with pytest.raises(error) as caught:
        verify(publisher)
    assert type(caught.value) is error


def test_index_and_log_of_one_release_with_the_statement_of_another(publisher: Publisher) -> None:
    one, two = publisher.build(FILES, epoch=1), publisher.build(FILES, epoch=2)
    mixed = release_files(one) | {name: release_files(two)[name] for name in (INDEX_NAME, PROOF_NAME)}
    publisher.list_anything(mixed)
    with pytest.raises(ReleaseMismatch, match="belongs to another release"):
        verify(publisher)


def test_an_index_with_other_files_than_the_statement(publisher: Publisher) -> None:
    """Logged as it is, by who can do that: the statement's signers still decide which files there are."""
    built, other = publisher.build(FILES, epoch=1), publisher.build({"a": b"b"}, epoch=2)
    index = replace(built.index, parts=other.index.parts)
    forged = BuiltRelease(built.statement, index)
    publisher.list_anything(release_files(built) | release_files(forged))
    with pytest.raises(ReleaseMismatch, match="different files"):
        verify(publisher)


def test_another_model_under_this_name(publisher: Publisher) -> None:
    other = release_files(publisher.build(FILES, model="other"))
    publisher.list_anything(other)
    with pytest.raises(ReleaseMismatch, match="lists a release of other"):
        verify(publisher)


def test_a_log_that_says_otherwise(publisher: Publisher) -> None:
    built = publisher.build(FILES)
    for changed in ({"epoch": 9}, {"index_sha256": "11" * 32}, {"version": "9"}, {"model": "tenants/x/models/y"}):
        files = release_files(built) | {PROOF_NAME: log_proof(log_entry(built, **changed))}
        publisher.list_anything(files)
        with pytest.raises(ReleaseMismatch, match=next(iter(changed))):
            verify(publisher)


def test_a_checkpoint_without_the_witness(publisher: Publisher) -> None:
    built = publisher.build(FILES)
    files = release_files(built) | {PROOF_NAME: log_proof(log_entry(built), WITNESS_ML_DSA)}
    publisher.list_anything(files)
    with pytest.raises(LogProofInvalid, match="quorum"):
        verify(publisher)


def test_other_keys_than_those_trusted(publisher: Publisher) -> None:
    publisher.publish(FILES)
    trust = publisher.trust
    other = ec.derive_private_key(3, ec.SECP256R1()).public_key()
    with pytest.raises(WrongKey):
        verify(publisher, trust=ReleaseTrust(trust.root, other, trust.composite, trust.policy))
    stranger = SoftwareCompositeKey(DEFAULT_ALGORITHM).public_key
    with pytest.raises(WrongKey):
        verify(publisher, trust=ReleaseTrust(trust.root, trust.ecdsa, stranger, trust.policy))
    with pytest.raises(TrustUnusable):
        verify(publisher, trust=ReleaseTrust(b"{}", trust.ecdsa, trust.composite, trust.policy))


def test_another_root_is_no_way_in(publisher: Publisher, tmp_path: Path) -> None:
    """A whole repository by somebody else, under the root that is pinned here."""
    publisher.publish(FILES)
    impostor = Publisher(tmp_path / "impostor")
    impostor.publish({"evil": b"weights"}, epoch=9)
    with pytest.raises(MetadataUnsigned):
        verify_release(FolderSource(impostor.served), MODEL, publisher.trust, now=NOW)


def test_signatures_of_the_statement(publisher: Publisher) -> None:
    from hallmark_release.bundle import MEDIA_TYPE as ECDSA
    from hallmark_release.bundle import encode_bundle, parse_bundle
    from hallmark_release.composite_bundle import MEDIA_TYPE as COMPOSITE
    from hallmark_release.dsse import Envelope

    one = publisher.build(FILES, epoch=1)
    two = publisher.build(FILES, epoch=2)
    for name, media_type, error in (
        (BUNDLE_NAME, ECDSA, SignatureInvalid),
        (COMPOSITE_BUNDLE_NAME, COMPOSITE, CompositeInvalid),
    ):
        files = release_files(one)
        read = parse_bundle(files[name], media_type=media_type)
        moved = Envelope(two.statement.payload, read.envelope.signature)
        files[name] = encode_bundle(moved, key_sha256=read.key_sha256, media_type=media_type)
        publisher.list_anything(files)
        with pytest.raises(error):
            verify(publisher)
    assert composite_key().public_key == publisher.trust.composite
