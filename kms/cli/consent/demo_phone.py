"""A phone of the demonstration: an attested key, artifacts under keys of their own, and a watcher that decides.

Its files are real: an artifact lies encrypted (AES-256-GCM), shredding destroys the key that opens it.
"""

import hashlib
import os
import shutil
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from attestation.testing import VirtualPhone
from hallmark_client.client import Client
from hallmark_client.model.removals import DeletionReceipt
from hallmark_client.profile import Profile
from hallmark_client.removals import deletion_receipt
from hallmark_client.system import System
from hallmark_client.watch import Change, ConsentEnded, DeletionRequested, DeviceClock, Watcher
from kms.cli.demo.stage import DemoFailed, hold

_NONCE_BYTES: Final = 12
_PRIVATE: Final = 0o600


@dataclass(slots=True)
class Vault:
    """Artifacts on the phone, each under a key of its own. `epoch` counts keys that were destroyed; `head` ends the
    chain of hashes over what happened.
    """

    folder: Path
    epoch: int = 0
    head: bytes = bytes(32)

    def put(self, artifact: str, content: bytes) -> None:
        key, nonce = AESGCM.generate_key(bit_length=256), os.urandom(_NONCE_BYTES)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._key(artifact).write_bytes(key)
        self._sealed(artifact).write_bytes(nonce + AESGCM(key).encrypt(nonce, content, artifact.encode()))
        self._note(b"put", artifact)

    def open(self, artifact: str) -> bytes:
        """Raises FileNotFoundError once the key is gone."""
        key, sealed = self._key(artifact).read_bytes(), self._sealed(artifact).read_bytes()
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], artifact.encode())

    def shred(self, artifact: str) -> bool:
        """Destroys the key, then the file. False when that was done before."""
        key = self._key(artifact)
        if not key.exists():
            return False
        with key.open("r+b") as file:
            file.write(bytes(key.stat().st_size))
            file.flush()
            os.fsync(file.fileno())
        key.unlink()
        self._sealed(artifact).unlink()
        self.epoch += 1
        self._note(b"shred", artifact)
        return True

    def has(self, artifact: str) -> bool:
        return self._key(artifact).exists()

    def _key(self, artifact: str) -> Path:
        return self.folder / f"{artifact.rpartition('/')[2][:16]}.key"

    def _sealed(self, artifact: str) -> Path:
        return self.folder / f"{artifact.rpartition('/')[2][:16]}.sealed"

    def _note(self, act: bytes, artifact: str) -> None:
        self.head = hashlib.sha256(self.head + act + artifact.encode()).digest()


@dataclass(slots=True)
class Phone:
    """`obeys`: its program shreds when it is told to, and gives receipts. Heard and shredded at: time.monotonic()."""

    letter: str
    name: str
    key: ec.EllipticCurvePrivateKey
    profile: Profile
    vault: Vault
    store: Path
    obeys: bool = True
    heard_at: float | None = None
    shredded_at: float | None = None
    used_at: datetime | None = None
    """The last time that something could be used."""
    commands: list[DeletionRequested] = field(default_factory=list)
    watcher: Watcher | None = None
    _client: Client | None = None
    _news: threading.Condition = field(default_factory=threading.Condition)

    def watch(self, *, address: str | None = None, **settings: Any) -> None:
        """Begins to watch, or goes on from what is stored. address: of the API, when it is another than usual."""
        self.close()
        profile = self.profile if address is None else replace(self.profile, address=address)
        self._client = Client(profile)
        self.watcher = Watcher(self._client, store=self.store, on_change=self._changed, **settings)

    def use(self, artifact: str) -> str:
        """Opens the artifact, if that is allowed now. Gives what was decided, in words; obeys it."""
        assert self.watcher is not None
        found = self.watcher.decision(artifact)
        if found.is_allowed and self.vault.has(artifact):
            hold(hashlib.sha256(self.vault.open(artifact)).hexdigest() == artifact.rpartition("/")[2], "another file")
            self.used_at = datetime.now(UTC)
        why = getattr(found.decision, "why", None)
        decided = type(found.decision).__name__ + (f" ({why.value})" if why is not None else "")
        if decided.startswith("Shred") and self.obeys:
            self._shred(artifact)
        return decided

    def wait_for(self, number: int, seconds: float) -> None:
        """Until so many deletion commands came. Raises DemoFailed."""
        with self._news:
            if not self._news.wait_for(lambda: len(self.commands) >= number, seconds):
                raise DemoFailed(f"phone {self.letter} heard of {len(self.commands)} removals, not of {number}")

    def receipt(self, command: DeletionRequested) -> DeletionReceipt:
        """Signed by the attested key."""
        clock = DeviceClock()
        return deletion_receipt(
            command,
            device=self.name,
            jti=System().request_id(),
            epoch_before=0,
            epoch_after=self.vault.epoch,
            audit_head=self.vault.head,
            boot_id=clock.boot_id(),
            device_time=datetime.now(UTC),
            sign=lambda message: self.key.sign(message, ec.ECDSA(hashes.SHA256())),
        )

    def submit(self, receipt: DeletionReceipt, removal: str) -> DeletionReceipt:
        """Gives the receipt as countersigned."""
        assert self._client is not None
        answer = self._client.removals.submit(removal, receipt, wait="published").receipt
        assert answer is not None
        return answer

    def client(self) -> Client:
        assert self._client is not None
        return self._client

    def close(self) -> None:
        if self.watcher is not None:
            self.watcher.close()
            self.watcher = None
        if self._client is not None:
            self._client.close()
            self._client = None

    def _changed(self, change: Change) -> None:
        """In the watcher's thread, once the change is verified and stored."""
        with self._news:
            if isinstance(change, ConsentEnded) and self.heard_at is None:
                self.heard_at = time.monotonic()
            if isinstance(change, DeletionRequested):
                if self.obeys:
                    self._shred(change.artifact)
                self.commands.append(change)
            self._news.notify_all()

    def _shred(self, artifact: str) -> None:
        if self.vault.shred(artifact):
            self.shredded_at = time.monotonic()


def attest_phone(letter: str, phone: VirtualPhone, maker: Client, folder: Path, template: Path) -> Phone:
    """Enrols a virtual phone; its profile folder is `template` with a certificate for its attested key."""
    challenge = maker.devices.create_challenge()
    made = phone.generate_key(challenge.challenge)
    key = made.private_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    unsigned = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    answer = maker.devices.attest(
        challenge.name,
        made.evidence.named("certificate"),
        key_spki=made.spki,
        certificate_request=unsigned.sign(key, hashes.SHA256()).public_bytes(Encoding.DER),
    )
    verdict = answer.verdict
    hold(verdict.authentic and verdict.appraised, f"phone {letter} was refused: {verdict.reasons} {verdict.detail}")
    assert answer.device is not None
    assert answer.certificate is not None
    profile = folder / "profile"
    shutil.copytree(template, profile)
    certificate = x509.load_der_x509_certificate(answer.certificate.certificate)
    (profile / "cert.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (profile / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (profile / "key.pem").chmod(_PRIVATE)
    return Phone(
        letter=letter,
        name=answer.device.name,
        key=key,
        profile=Profile.load(profile),
        vault=Vault(folder / "vault"),
        store=folder / "watch.db",
    )


def named(phones: Mapping[str, Phone], letters: str) -> list[Phone]:
    return [phones[letter] for letter in letters]
