"""An app sees the vault through the agent as it would see its own."""

import asyncio
import io
import os
import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from hallmark_client.device.agent import AgentClient
from hallmark_client.device.audit import AuditAct
from hallmark_client.device.errors import (
    ArtifactExists,
    ArtifactSuspended,
    ArtifactUnknown,
    ContentInvalid,
    LimitReached,
    PolicyViolation,
)
from hallmark_client.device.model import Caller, Enforcement
from hallmark_client.device.vault.reader import RECHECK_SECONDS
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.agent.agent_world import POLICY, AgentWorld

DATA = random.Random(5).randbytes(5_000_000)
OTHER = ArtifactKind.OTHER


@pytest.fixture
def client(world: AgentWorld) -> AgentClient:
    return world.client()


class TestContent:
    def test_a_file_goes_in_and_comes_back(self, world: AgentWorld, client: AgentClient, tmp_path: Path) -> None:
        (tmp_path / "model").write_bytes(DATA)
        told: list[int] = []
        kind, labels = ArtifactKind.MODEL_WEIGHTS, {"Größe": "klein", "a": ""}
        stored = client.put(
            tmp_path / "model", name="app/chat", kind=kind, version=7, labels=labels, progress=told.append
        )
        assert (stored.name, stored.version, stored.kind, stored.size) == ("app/chat", 7, kind, len(DATA))
        assert stored.labels == labels
        assert told[-1] == len(DATA)
        assert client.read("app/chat") == DATA
        assert asyncio.run(client.read_async("app/chat", version=7)) == DATA
        assert world.vault.read("app/chat", caller=Caller(application="app")) == DATA

    @pytest.mark.parametrize("size", [0, 1, 16_384, 262_144, 262_145, 4_194_304, 4_300_001])
    def test_any_size_from_pieces_and_files(self, client: AgentClient, size: int) -> None:
        told: list[int] = []
        pieces = [DATA[:size][at : at + 700_000] for at in range(0, size, 700_000)]
        client.put(pieces, name="app/pieces", kind=OTHER, progress=told.append)
        client.put(io.BytesIO(b"skipped" + DATA[:size]), name="app/whole", kind=OTHER)
        assert client.read("app/pieces") == DATA[:size]
        assert told[-1:] == ([size] if size else [])
        assert client.read("app/whole") == b"skipped" + DATA[:size]

    def test_a_reader_reads_anywhere(self, client: AgentClient) -> None:
        client.put([DATA], name="app/chat", kind=OTHER)
        dice = random.Random(1)
        with client.get("app/chat") as reader:
            assert (reader.size, reader.readable(), reader.seekable()) == (len(DATA), True, True)
            for _ in range(40):
                at, size = dice.randrange(len(DATA) + 10), dice.choice([0, 1, 5_000, 300_000])
                assert reader.pread(at, size) == DATA[at : at + size]
            assert reader.tell() == 0
            assert reader.seek(-10, io.SEEK_END) == len(DATA) - 10
            assert reader.read(100) == DATA[-10:]
            assert reader.read(100) == b""
            assert reader.seek(5) == 5
            assert reader.seek(5, io.SEEK_CUR) == 10
            assert reader.readall() == DATA[10:]
            buffer = bytearray(20)
            assert reader.pread_into(len(DATA) - 5, buffer) == 5
            with pytest.raises(ValueError):
                reader.pread(-1, 5)
            with pytest.raises(ValueError):
                reader.seek(-1)
        with pytest.raises(ValueError):
            reader.pread(0, 1)

    def test_a_buffered_reader_fits_around_it(self, client: AgentClient) -> None:
        client.put([b"line one\nline two\n"], name="app/text", kind=OTHER)
        with io.BufferedReader(client.get("app/text")) as lines:
            assert list(lines) == [b"line one\n", b"line two\n"]

    def test_damaged_bytes_are_refused(self, world: AgentWorld, client: AgentClient) -> None:
        client.put([DATA], name="app/chat", kind=OTHER)
        blob = next(path for path in (world.folder / "vault" / "blobs").rglob("*") if path.is_file())
        with blob.open("r+b") as file:
            file.seek(3_000_000)
            file.write(b"\0" * 8)
        with client.get("app/chat") as reader:
            assert reader.pread(0, 1000) == DATA[:1000]
            with pytest.raises(ContentInvalid):
                reader.readall()
            assert reader.pread(0, 1000) == DATA[:1000]


class TestPuttingFails:
    def test_what_is_there_already(self, client: AgentClient) -> None:
        client.put([b"1"], name="app/chat", kind=OTHER)
        with pytest.raises(ArtifactExists):
            client.put([DATA], name="app/chat", kind=OTHER)
        assert client.read("app/chat") == b"1"

    def test_a_name_that_can_not_be(self, client: AgentClient) -> None:
        with pytest.raises(ValueError, match="printable"):
            client.put([b"1"], name="app/\n", kind=OTHER)

    def test_what_the_policy_denies(self, client: AgentClient, tmp_path: Path) -> None:
        (tmp_path / "model").write_bytes(DATA)
        for source in (tmp_path / "model", [DATA] * 3):
            with pytest.raises(PolicyViolation):
                client.put(source, name="readable/new", kind=OTHER)
        assert client.artifacts() == ()

    def test_a_source_that_breaks(self, world: AgentWorld, client: AgentClient) -> None:
        def breaking() -> object:
            yield DATA
            raise LookupError("the source")

        with pytest.raises(LookupError):
            client.put(breaking(), name="app/chat", kind=OTHER)  # type: ignore[arg-type]
        with pytest.raises(FileNotFoundError):
            client.put(Path("nowhere"), name="app/chat", kind=OTHER)
        assert client.artifacts() == ()
        client.put([b"1"], name="app/chat", kind=OTHER)
        assert len(list((world.folder / "vault" / "blobs").rglob("*"))) == 2

    def test_a_file_that_grows_meanwhile(self, client: AgentClient, tmp_path: Path) -> None:
        path = tmp_path / "growing"
        path.write_bytes(DATA)
        before = os.fstat

        def smaller(descriptor: int) -> os.stat_result:
            found = list(before(descriptor))
            found[6] -= 1
            return os.stat_result(found)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("hallmark_client.device.agent.sending.os.fstat", smaller)
            with pytest.raises(ValueError, match="changed meanwhile"):
                client.put(path, name="app/chat", kind=OTHER)
        assert client.artifacts() == ()


class TestTheVaultsRules:
    def test_callers_are_proved(self, client: AgentClient) -> None:
        client.put([b"1"], name="app/chat", kind=OTHER)
        clauses = {clause.name: clause for clause in client.effective_policy("app/chat")}
        assert clauses["callers"].enforcement is Enforcement.PLATFORM
        assert all(clause.allows for clause in clauses.values())

    def test_uses_are_counted(self, client: AgentClient) -> None:
        client.put([b"1"], name="counted/chat", kind=OTHER)
        for _ in range(3):
            assert client.read("counted/chat") == b"1"
        with pytest.raises(LimitReached) as refused:
            client.read("counted/chat")
        assert refused.value.clause == "max-uses"

    def test_readers_are_counted_while_they_are_open(self, client: AgentClient) -> None:
        client.put([b"1"], name="one-reader/chat", kind=OTHER)
        with client.get("one-reader/chat"):
            with pytest.raises(PolicyViolation):
                client.get("one-reader/chat")
            assert client.status().readers == 1
        assert client.status().readers == 0
        client.get("one-reader/chat").close()

    def test_suspended_while_it_is_read(self, world: AgentWorld, client: AgentClient) -> None:
        client.put([DATA], name="app/chat", kind=OTHER)
        with client.get("app/chat") as reader:
            world.vault.suspend("app/chat", why="a test")
            with pytest.raises(ArtifactSuspended) as refused:
                reader.pread(0, 10)
        assert refused.value.metadata == {"why": "a test"}
        with pytest.raises(ArtifactSuspended):
            client.get("app/chat")
        world.vault.resume("app/chat")
        assert client.read("app/chat") == DATA

    def test_another_policy_while_it_is_read(self, world: AgentWorld, client: AgentClient) -> None:
        client.put([DATA], name="app/chat", kind=OTHER)
        with client.get("app/chat") as reader:
            assert reader.read(10) == DATA[:10]
            names = {**POLICY.names, "app/*": POLICY.names["other/*"]}
            world.vault.set_policy(replace(POLICY, version=2, names=names), Caller(application="app"))
            time.sleep(RECHECK_SECONDS)
            with pytest.raises(PolicyViolation):
                reader.read(10)
            with pytest.raises(ArtifactUnknown):
                reader.read(10)

    def test_deleting(self, world: AgentWorld, client: AgentClient) -> None:
        first = client.put([b"1"], name="app/chat", kind=OTHER, version=1)
        client.put([b"2"], name="app/chat", kind=OTHER, version=2)
        with client.get("app/chat", version=1) as reader:
            deletion = client.delete(first)
            with pytest.raises(ArtifactUnknown):
                reader.pread(0, 1)
        assert [each.artifact_id for each in deletion.artifacts] == [first.artifact_id]
        assert (deletion.epoch_before, deletion.epoch_after, deletion.evidence) == (1, 2, None)
        assert deletion.audit_head == world.vault.audit.head()
        assert client.status().epoch == 2
        client.delete("app/chat", nonce=bytes(16))
        assert client.artifacts() == ()
        with pytest.raises(ArtifactUnknown):
            client.delete(first)
        world.vault.put([b"1"], name="readable/chat", kind=OTHER)
        with pytest.raises(PolicyViolation):
            client.delete("readable/chat")

    def test_acts_stand_in_the_audit_chain_under_the_apps_name(self, world: AgentWorld, client: AgentClient) -> None:
        client.put([b"1"], name="app/chat", kind=OTHER)
        client.read("app/chat", caller=Caller(application="somebody else"))
        world.vault.flush()
        records = [entry.record for entry in world.vault.audit.entries()]
        callers = {record.act: record.caller for record in records}
        assert callers[AuditAct.PUT] == callers[AuditAct.GET] == "app"


class TestWhatIsNotForThisApp:
    def test_it_is_as_if_it_were_not_there(self, world: AgentWorld, client: AgentClient) -> None:
        world.vault.put([b"secret"], name="other/chat", kind=OTHER)
        world.vault.put([b"shared"], name="both/chat", kind=OTHER)
        asks = (client.get, client.find, client.read, client.delete, client.effective_policy)
        for ask in asks:
            with pytest.raises(ArtifactUnknown) as hidden:
                ask("other/chat")
            with pytest.raises(ArtifactUnknown) as missing:
                ask("other/none")
            assert str(hidden.value).replace("chat", "none") == str(missing.value)
        assert [each.name for each in client.artifacts()] == ["both/chat"]
        world.vault.flush()
        denied = [each.record for each in world.vault.audit.entries() if each.record.act is AuditAct.DENIED]
        counted = Counter({record.name: 0 for record in denied})
        for record in denied:
            counted[record.name] += int(record.facts.get("repeats", "1"))
        assert counted == {"other/chat": len(asks), "other/none": len(asks)}
        assert {record.facts["operation"] for record in denied} == {"get", "list", "delete"}
        assert {(record.caller, record.clause) for record in denied} == {("app", "not-visible")}

    def test_many_artifacts_come_in_pages(
        self, world: AgentWorld, client: AgentClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("hallmark_client.device.agent.operations._PAGE_PARTS", 4)
        names = [f"app/{number}" for number in range(5)]
        for name in names:
            world.vault.put([b"1"], name=name, kind=OTHER)
        found = client.artifacts()
        assert [each.name for each in found] == names
        assert found[0] == client.find(names[0])
