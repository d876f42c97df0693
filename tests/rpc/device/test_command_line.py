"""A device from its own command line, against the real service: enrolled, updated, revoked; an agent that follows."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from attestation.testing.tpm_wire import name_of
from hallmark_client import Client
from hallmark_client.device.__main__ import main
from hallmark_client.device.agent import AgentClient, AgentUnavailable, PermissionChange, Standing
from hallmark_client.device.agent.opening import opened_root
from hallmark_client.device.roots.tpm2 import Tpm2Root
from hallmark_client.model.consents import ArtifactKind, ConsentArtifact
from hallmark_client.model.enums import CollateralKind
from rpc.device.test_life_software import ALLOW
from rpc.device.test_update import Shop
from rpc.device.world import SECONDS, until
from rpc.wire import fresh_id, fresh_name
from support.bridges import served_reference
from support.service import RunningService, running_service
from support.swtpm import needs_real_tpm, needs_tpm_driver
from support.swtpm_root import short_lived_tpm


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """A service of its own that takes devices in software: policies are for all tests of a tenant."""
    with running_service(tmp_path_factory.mktemp("command-line")) as service:
        with service.client() as admin:
            admin.policies.activate(admin.policies.set(ALLOW).policy.name)
        yield service


@pytest.fixture
def admin(lenient: RunningService) -> Iterator[Client]:
    with lenient.client() as client:
        yield client


@pytest.fixture
def shop(lenient: RunningService, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shop:
    monkeypatch.setenv("HALLMARK_HOME", str(lenient.home))
    (tmp_path / "shop").mkdir()
    monkeypatch.chdir(tmp_path / "shop")
    return Shop(tmp_path / "shop")


class Desk:
    """Who types. Each command is a process's worth: everything is opened, and closed again."""

    def __init__(self, service: RunningService, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.service, self.folder, self.capsys = service, folder, capsys
        secret = folder / "passphrase"
        secret.write_text("correct horse battery staple\n")
        secret.chmod(0o600)
        self.where = ["--vault", str(folder / "vault"), "--root", f"passphrase:{folder / 'vault/root.json'}"]
        self.where += ["--secret-file", str(secret)]

    def run(self, *arguments: str, code: int = 0) -> dict[str, object]:
        """What --json says."""
        self.capsys.readouterr()
        found = main([*arguments, *self.where, "--json"])
        told = self.capsys.readouterr()
        assert found == code, told
        return json.loads(told.out)

    def enrol(self, *more: str) -> dict[str, object]:
        return self.run("enrol", "--service", str(self.service.home / "clients" / "device"), *more)

    def update(self, shop: Shop, *more: str, code: int = 0) -> dict[str, object]:
        trust = str(next(shop.folder.rglob("log.policy")).parent)
        return self.run("update", shop.model, "--from", str(shop.repository()), "--trust", trust, *more, code=code)


@pytest.fixture
def desk(lenient: RunningService, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(lenient, tmp_path, capsys)


def test_enrolled_updated_and_revoked(desk: Desk, shop: Shop, admin: Client) -> None:
    first = desk.enrol()
    assert (first["is_new"], first["readable"]) == (True, False)
    again = desk.enrol("--allow", "assistant")
    assert (again["is_new"], again["readable"], again["device"]) == (False, True, first["device"])
    shop.publish("1.0")
    installed = desk.update(shop)
    assert (installed["is_new"], installed["epoch"], installed["parts"]) == (True, 1, ["w.bin"])
    here = desk.update(shop)
    assert (here["is_new"], here["fetched"], here["why_not"]) == (False, 0, "")
    told = desk.run("status")
    assert (told["device"], told["blocked"]) == (first["device"], "")
    assert told["artifacts"] == [{"name": shop.model, "version": 1, "size": 5_000_000, "why_not": ""}]
    admin.revocations.revoke(f"artifacts/{installed['digest']}", reason="KEY_COMPROMISE")
    refused = desk.update(shop, code=1)
    assert refused["error"]["reason"] == "RELEASE_REVOKED"  # type: ignore[index]
    assert desk.run("work")["heard"] is True
    assert all(each["why_not"] for each in desk.run("status")["artifacts"])  # type: ignore[attr-defined]


def test_a_release_that_needs_a_consent(desk: Desk, shop: Shop, admin: Client) -> None:
    device = desk.enrol()["device"]
    digest = shop.publish("1.0", "--requires-consent")
    refused = desk.update(shop, code=1)
    assert refused["error"]["reason"] == "LEASE_REQUIRED"  # type: ignore[index]
    assert "--consent" in refused["error"]["advice"]  # type: ignore[index]
    consent = admin.consents.grant(
        fresh_id(),
        controller="https://bank.example",
        purposes=["dpv:IdentityVerification"],
        artifacts=[ConsentArtifact(artifact=digest, kind=ArtifactKind.MODEL_WEIGHTS)],
        devices=[str(device)],
    ).consent.name
    assert desk.update(shop, "--consent", consent)["fetched"] == 0
    asked = admin.consents.withdraw(consent).removals
    worked = desk.run("work")
    assert (worked["receipts_owed"], worked["trouble"]) == (0, {})
    assert [str(admin.removals.get(each).grade) for each in asked] == ["A1"]
    assert desk.run("status")["artifacts"] == []


@needs_real_tpm
@needs_tpm_driver
def test_a_tpm_vouches_for_what_it_keeps(desk: Desk, admin: Client, tmp_path: Path) -> None:
    from hallmark_client.device.roots.tpm2.attestation import TpmAttester

    with short_lived_tpm() as tpm:
        desk.where = ["--vault", str(tmp_path / "chip"), "--root", f"tpm2:{tpm.tcti}"]
        with opened_root(tmp_path / "chip", f"tpm2:{tpm.tcti}") as root:
            assert isinstance(root, Tpm2Root)
            name = name_of(TpmAttester(root).keys().ek_public).hex()
        admin.collateral.put(
            CollateralKind.TPM_KEYS, json.dumps({"tpm_keys": [{"name": name}]}).encode(), label=fresh_name("ek")
        )
        first = desk.enrol("--allow", "assistant")
        assert (first["key_place"], first["has_evidence"]) == ("attester", True)
        assert desk.run("work")["heard"] is True
        assert desk.enrol()["device"] == first["device"]


def test_a_bridge_vouches_for_what_it_keeps(desk: Desk, tmp_path: Path) -> None:
    with served_reference(tmp_path) as socket:
        desk.where = ["--vault", str(tmp_path / "bridged"), "--root", f"bridge:{socket}"]
        assert desk.enrol()["key_place"] == "attester"
        assert desk.run("work")["heard"] is True


def test_without_the_service(desk: Desk, lenient: RunningService, tmp_path: Path) -> None:
    """What is on the device can be asked for; a round of life says that nobody was heard."""
    desk.enrol()
    lenient.process.send_signal(19)  # SIGSTOP: it answers nothing
    try:
        assert desk.run("status")["blocked"] == ""
        worked = desk.run("work", "--seconds", "1", code=1)
        assert worked["heard"] is False
    finally:
        lenient.process.send_signal(18)  # SIGCONT


@contextlib.contextmanager
def following_agent(desk: Desk, shop: Shop, socket: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As a process of its own. It ends in order."""
    trust = str(next(shop.folder.rglob("log.policy")).parent)
    follow = ["--follow", f"{shop.model}={shop.repository()}", "--trust", trust, "--every", "10"]
    command = [sys.executable, "-m", "hallmark_client.device.agent", *desk.where, "--socket", str(socket), *follow]
    command += ["--app", f"assistant=uid={os.geteuid()}"]
    with (desk.folder / "agent.log").open("wb") as log, subprocess.Popen(command, stderr=log) as agent:
        try:
            yield agent
            agent.terminate()
            assert agent.wait(SECONDS) == 0
        finally:
            agent.kill()


class App:
    """Hears changes in a thread of its own."""

    def __init__(self, client: AgentClient) -> None:
        self.client = client
        self._changes: queue.Queue[PermissionChange] = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()

    def hears(self, standing: Standing, version: int) -> None:
        while (change := self._changes.get(timeout=SECONDS)) != change.__class__(
            artifact_id=change.artifact_id, name=change.name, version=version, standing=standing
        ):
            pass

    def _listen(self) -> None:
        with contextlib.suppress(AgentUnavailable):  # it ends at the end of the test
            for change in self.client.watch():
                self._changes.put(change)


def test_an_agent_follows_a_model(desk: Desk, shop: Shop, admin: Client) -> None:
    desk.enrol("--allow", "assistant")
    shop.publish("1.0")
    with tempfile.TemporaryDirectory(prefix="agent-") as short:
        socket = Path(short) / "run" / "agent.sock"
        with following_agent(desk, shop, socket), AgentClient(socket, seconds=SECONDS) as client:
            app = App(client)
            app.hears(Standing.AVAILABLE, 1)
            assert client.read(shop.model, part="w.bin") == shop.weights
            in_use = desk.run("status", code=1)["error"]
            assert in_use["reason"] == "VAULT_IN_USE"  # type: ignore[index]
            assert "--follow" in in_use["advice"]  # type: ignore[index]
            digest = shop.publish("1.1")
            app.hears(Standing.AVAILABLE, 2)
            until(lambda: [each.version for each in client.artifacts()] == [2])
            assert client.read(shop.model, part="w.bin") == shop.weights
            admin.revocations.revoke(f"artifacts/{digest}", reason="KEY_COMPROMISE")
            until(lambda: not _usable(client))
            log = desk.folder / "agent.log"
            until(lambda: "RELEASE_REVOKED" in log.read_text(), log.read_text)
            assert client.status().application == "assistant", "apps are served all the same"
    assert "Traceback" not in log.read_text()


def _usable(client: AgentClient) -> list[str]:
    return [each.name for each in client.artifacts() if each.state.value == "available"]
