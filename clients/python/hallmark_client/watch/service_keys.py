"""Whom to believe, asked of a server that mutual TLS proved."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from hallmark_client.client import Client
from hallmark_composite import CompositePublicKey
from hallmark_tlog.vkey import VerifierKey, parse_vkey

_SERVICE_KEYS: Final = "tenants/system/keys/"


@dataclass(frozen=True, slots=True)
class ServiceKeys(Mapping[str, CompositePublicKey]):
    """The service's own public keys by version name, asked for when first met and kept.

    With pins, a key counts only if it is one of them; without, the server is believed. Fine where the server is in the
    same hands as the device; elsewhere give keys that came another way.
    """

    client: Client
    pins: frozenset[bytes] = frozenset()
    """SHA-256 of the SubjectPublicKeyInfo of each key to believe."""
    _known: dict[str, CompositePublicKey] = field(default_factory=dict)

    def __getitem__(self, version: str) -> CompositePublicKey:
        """Raises KeyError, and HallmarkError where the server can not be asked."""
        if version not in self._known:
            # Nobody else's key may speak for the service, whatever an event names.
            if not version.startswith(_SERVICE_KEYS):
                raise KeyError(version)
            key = self.client.keys.public_key(version).composite()
            if self.pins and key.fingerprint() not in self.pins:
                raise KeyError(version)
            self._known[version] = key
        return self._known[version]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


@dataclass(frozen=True, slots=True)
class PinnedKeys(Mapping[str, CompositePublicKey]):
    """One key, whatever version it is of: for devices that only have files and this key."""

    key: CompositePublicKey

    def __getitem__(self, version: str) -> CompositePublicKey:
        if not version.startswith(_SERVICE_KEYS):
            raise KeyError(version)
        return self.key

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def log_keys(client: Client) -> list[VerifierKey]:
    """The log's keys, believed alone: where witnesses are demanded, give a tlog-policy instead."""
    return [parse_vkey(key) for key in client.capabilities().log.verifier_keys]
