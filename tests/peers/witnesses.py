"""Witnesses that other people wrote, on loopback, with throw-away keys."""

import base64
import hashlib
import http.client
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from hallmark_tlog.note import parse_note
from hallmark_tlog.vkey import KeyType, VerifierKey
from hallmark_tlog.witness import AddCheckpointRequest, Answer, read_answer
from peers.tools import Peers, listening, run, running

_ANSWER_SECONDS = 10


@dataclass(frozen=True, slots=True)
class RunningWitness:
    """`url` is the submission prefix; `keys` are all that cosign."""

    name: str
    url: str
    keys: tuple[VerifierKey, ...]

    def ask(self, old_size: int, proof: tuple[bytes, ...], note: bytes) -> Answer:
        """One add-checkpoint over plain HTTP, read with hallmark_tlog."""
        status, content_type, body = self.post(bytes(AddCheckpointRequest(old_size, proof, note)))
        return read_answer(status, content_type, body, text=parse_note(note).text, vkeys=self.keys)

    def post(self, body: bytes) -> tuple[int, str | None, bytes]:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=_ANSWER_SECONDS)
        try:
            connection.request("POST", "/add-checkpoint", body)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type"), answer.read()
        finally:
            connection.close()


@contextmanager
def litewitness(peers: Peers, folder: Path, log: VerifierKey) -> Iterator[RunningWitness]:
    """Torchwood's witness: an Ed25519 key in an SSH agent, a database of logs. `log` is of type 0x01."""
    program = peers.program("litewitness", of="torchwood")
    control = peers.program("witnessctl", of="torchwood")
    for needed in ("ssh-agent", "ssh-add"):
        if shutil.which(needed) is None:
            pytest.skip(f"{needed} is missing: litewitness keeps its key in an SSH agent")
    private_key = Ed25519PrivateKey.generate()
    key = VerifierKey("witness.example/lite", KeyType.ED25519_COSIGNATURE, private_key.public_key().public_bytes_raw())
    database = folder / "litewitness.db"
    run(control, "add-log", "-db", database, "-origin", log.name).must_succeed()
    run(control, "add-key", "-db", database, "-origin", log.name, "-key", str(log)).must_succeed()
    with (
        _ssh_agent(folder, private_key) as socket,
        listening(
            lambda address: [
                program,
                *("-db", database, "-ssh-agent", socket, "-listen", address),
                *("-name", key.name, "-key", _fingerprint(private_key.public_key())),
            ],
            output=folder / "litewitness.log",
        ) as url,
    ):
        yield RunningWitness("litewitness", url, (key,))


@contextmanager
def omniwitness(peers: Peers, folder: Path, log: VerifierKey) -> Iterator[RunningWitness]:
    """Cosigns with Ed25519 and with ML-DSA-44. `log` may be of type 0x01 or 0x06."""
    program = peers.program("omniwitness")
    name = "witness.example/omni"
    keys, files = [], []
    for key_type, private_key in (
        (KeyType.ED25519_COSIGNATURE, Ed25519PrivateKey.generate()),
        (KeyType.ML_DSA_44, MLDSA44PrivateKey.generate()),
    ):
        key = VerifierKey(name, key_type, private_key.public_key().public_bytes_raw())
        secret = base64.b64encode(bytes([key_type]) + private_key.private_bytes_raw()).decode()
        file = folder / f"omniwitness-{key_type}.key"
        file.write_text(f"PRIVATE+KEY+{name}+{key.key_id.hex()}+{secret}")
        keys.append(key)
        files.append(f"--private_key_path={file}")
    logs = folder / "omniwitness-logs.yaml"
    logs.write_text(f"Logs:\n  - Origin: {log.name}\n    URL: http://127.0.0.1/\n    PublicKey: {log}\n")
    with listening(
        lambda address: [program, f"--listen={address}", "--metrics_listen=", f"--additional_logs={logs}", *files],
        output=folder / "omniwitness.log",
    ) as url:
        yield RunningWitness("omniwitness", url, tuple(keys))


@contextmanager
def _ssh_agent(folder: Path, key: Ed25519PrivateKey) -> Iterator[Path]:
    """The socket of an agent that holds the key. It lies in a folder with a short name: sockets need one."""
    key_file = folder / "ssh-key"
    key_file.touch(mode=0o600)
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    with tempfile.TemporaryDirectory(prefix="agent-") as short:
        socket = Path(short) / "socket"
        with running(["ssh-agent", "-D", "-a", socket], output=folder / "ssh-agent.log", ready=socket.exists):
            run("env", f"SSH_AUTH_SOCK={socket}", "ssh-add", key_file).must_succeed()
            yield socket


def _fingerprint(key: Ed25519PublicKey) -> str:
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return "SHA256:" + base64.b64encode(hashlib.sha256(base64.b64decode(line.split()[1])).digest()).decode().rstrip("=")
