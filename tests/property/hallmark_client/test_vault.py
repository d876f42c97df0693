"""A vault against a dictionary: any order of acts and restarts. And rows of its index that somebody else wrote."""

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hallmark_client.device.audit import NO_ENTRIES
from hallmark_client.device.errors import ArtifactExists, ArtifactSuspended, ArtifactUnknown, ContentInvalid
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault
from hallmark_client.device.vault.rows import read_row, row_data
from hallmark_client.model.consents import ArtifactKind
from hallmark_events.canonical import Json, canonical_json

APP = Caller(application="app")
MEMORY = Path("/dev/shm")
names = st.sampled_from(["chat", "voice/1", "gesicht-ä"])
versions = st.integers(0, 3)
sizes = st.sampled_from([0, 1, 16_383, 16_384, 20_000, 70_000])


def content(name: str, version: int, size: int) -> bytes:
    return hashlib.shake_256(f"{name}/{version}".encode()).digest(size)


class VaultMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.held: dict[tuple[str, int], bytes] = {}
        self.suspended: set[tuple[str, int]] = set()
        self.secrets: dict[str, bytes] = {}
        self.head = NO_ENTRIES
        self.temporary = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.root = MemoryRoot()

    @initialize()
    def make(self) -> None:
        self.vault = self.open(VaultPolicy.allow_own("app"))

    def open(self, policy: VaultPolicy | None = None) -> Vault:
        self.root = MemoryRoot(self.root.state)
        return Vault.open(Path(self.temporary.name) / "vault", self.root, policy=policy)

    @rule(name=names, version=versions, size=sizes)
    def put(self, name: str, version: int, size: int) -> None:
        stored = content(name, version, size)
        if (name, version) in self.held:
            with pytest.raises(ArtifactExists):
                self.vault.put([stored], name=name, kind=ArtifactKind.OTHER, version=version)
        else:
            self.vault.put([stored], name=name, kind=ArtifactKind.OTHER, version=version)
            self.held[name, version] = stored

    @rule(name=names, version=versions, offset=st.integers(0, 70_000), length=st.integers(0, 40_000))
    def read(self, name: str, version: int, offset: int, length: int) -> None:
        key = (name, version)
        if key not in self.held:
            with pytest.raises(ArtifactUnknown):
                self.vault.get(name, version=version, caller=APP)
        elif key in self.suspended:
            with pytest.raises(ArtifactSuspended):
                self.vault.get(name, version=version, caller=APP)
        else:
            with self.vault.get(name, version=version, caller=APP) as reader:
                assert reader.pread(offset, length) == self.held[key][offset : offset + length]

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        some = data.draw(st.lists(st.sampled_from(sorted(self.held)), min_size=1, max_size=3, unique=True))
        epoch = self.vault.epoch
        done = self.vault.delete(*(self.vault.find(*key) for key in some))
        assert (done.epoch_before, done.epoch_after) == (epoch, epoch + 1)
        for key in some:
            del self.held[key]
            self.suspended.discard(key)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), resumes=st.booleans())
    def suspend_or_resume(self, data: st.DataObject, *, resumes: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.held)))
        artifact = self.vault.find(*key)
        (self.vault.resume if resumes else self.vault.suspend)(artifact)
        (self.suspended.discard if resumes else self.suspended.add)(key)

    @rule(label=st.sampled_from(["a", "b"]), secret=st.binary(max_size=40))
    def keep_secret(self, label: str, secret: bytes) -> None:
        self.vault.keep_secret(label, secret)
        self.secrets[label] = secret

    @rule()
    def rotate(self) -> None:
        self.vault.rotate()

    @rule()
    def restart(self) -> None:
        self.vault.close()
        self.vault = self.open()

    @invariant()
    def what_is_listed_is_what_is_held(self) -> None:
        if hasattr(self, "vault"):
            assert {(each.name, each.version) for each in self.vault.artifacts()} == set(self.held)
            assert self.vault.epoch == self.root.epoch()
            assert {label: bytes(self.vault.secret(label)) for label in self.secrets} == self.secrets

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            for name, version in self.held:
                self.vault.resume(name)
                assert self.vault.read(name, version=version, caller=APP) == self.held[name, version]
            assert not self.vault.check().damages
            self.vault.close()
        self.temporary.cleanup()


TestVault = VaultMachine.TestCase
TestVault.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def a_row() -> dict[str, Json]:
    part: dict[str, Json] = {"context": "", "path": "", "sha256": "ab" * 32, "size": 1}
    return {
        "artifact_id": "ab" * 16,
        "created_at": "2026-11-22T00:00:00.000000Z",
        "digest": "ab" * 32,
        "epoch": 1,
        "kind": "OTHER",
        "labels": [["a", "b"]],
        "name": "m",
        "needs_permission": False,
        "parts": [part],
        "sealed_until": None,
        "sealed_uses": None,
        "size": 1,
        "state": "available",
        "tenant": "default",
        "v": 1,
        "version": 1,
        "why": "",
    }


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=3),
    max_leaves=5,
)


@given(member=st.sampled_from(sorted(a_row())), value=values)
def test_a_row_with_a_foreign_member_is_read_whole_or_refused(member: str, value: Json) -> None:
    blobs = [("cd" * 32, 73)]
    assert read_row(canonical_json(a_row()), b"", b"", blobs).artifact.name == "m"
    data = canonical_json({**a_row(), member: value})
    try:
        row = read_row(data, b"", b"", blobs)
    except ContentInvalid:
        return
    assert row_data(row.artifact, row.notes) == data


@given(data=st.binary(max_size=300), blobs=st.lists(st.tuples(st.text(max_size=70), st.integers()), max_size=3))
def test_foreign_rows_raise_nothing_else(data: bytes, blobs: list[tuple[str, int]]) -> None:
    with pytest.raises(ContentInvalid):
        read_row(data, b"", b"", blobs)
