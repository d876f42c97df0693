"""Small secrets of the device beside its artifacts, such as its own private key: under the epoch key, in the index."""

from typing import Final

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.device.vault.epochs import Epochs
from hallmark_client.device.vault.index import Index
from hallmark_client.device.vault.ledger import Ledger
from hallmark_client.device.vault.rows import TEXT_MAX, secret_bound

SECRET_MAX: Final = 64 * 1024
POLICY: Final = "hallmark.policy"
"""The policy is kept here: not because it is secret, but because the epoch key authenticates it."""


class Secrets:
    def __init__(self, index: Index, epochs: Epochs, ledger: Ledger) -> None:
        self._index = index
        self._epochs = epochs
        self._ledger = ledger

    def keep(self, label: str, secret: bytes | bytearray) -> None:
        """Durable; in place of one with this label."""
        if label == POLICY:
            raise ValueError("the policy is changed by set_policy, which asks who may")
        if not 1 <= len(label) <= TEXT_MAX or len(secret) > SECRET_MAX:
            raise ValueError(f"a secret has up to {SECRET_MAX} bytes, its label 1 to {TEXT_MAX} characters")
        with self._ledger.transaction():
            self.write(label, secret)

    def keep_policy(self, policy: bytes) -> None:
        """Of a new vault."""
        with self._ledger.transaction():
            self.write(POLICY, policy)

    def write(self, label: str, secret: bytes | bytearray) -> None:
        """Inside a transaction."""
        wrapped = self._epochs.key.wrap(secret, secret_bound(label))
        self._index.connection.execute("INSERT OR REPLACE INTO secret VALUES (?, ?)", (label, wrapped))

    def open(self, label: str) -> bytearray:
        """The caller's to wipe. Raises ArtifactUnknown, ContentInvalid."""
        with self._index.reading():
            row = self._index.connection.execute("SELECT wrapped FROM secret WHERE label = ?", (label,)).fetchone()
            if row is None:
                raise ArtifactUnknown("ARTIFACT_UNKNOWN", f"no secret is kept here as {label!r}")
            return self._epochs.key.unwrap(row[0], secret_bound(label))
