"""Resource names (AIP-122). People write `manifest`; the wire takes `tenants/default/keys/manifest`.

A name that begins with `tenants/` passes through unchanged. Anything else is completed under the profile's tenant;
whether it is well formed is the server's to say (NAME_INVALID).
"""

from dataclasses import dataclass
from typing import Final

_REVOCABLE: Final = frozenset({"devices", "verdicts", "artifacts", "policies", "anchors", "consents"})


@dataclass(frozen=True, slots=True)
class Names:
    """Completes short names under one tenant."""

    tenant: str

    @property
    def parent(self) -> str:
        """tenants/{tenant}"""
        return f"tenants/{self.tenant}"

    def key(self, name: str) -> str:
        """A key, a key version or an alias: `manifest`, `manifest/versions/2`, `keys/manifest`, `aliases/current`."""
        if name.startswith("aliases/"):
            return f"{self.parent}/{name}"
        return self._complete(name, "keys")

    def alias(self, name: str) -> str:
        """An alias: `current`, or `aliases/current`."""
        return self._complete(name, "aliases")

    def device(self, name: str) -> str:
        """A device: its id, or `devices/{id}`."""
        return self._complete(name, "devices")

    def device_or_none(self, name: str) -> str:
        """A device, or "" for none."""
        return self.device(name) if name else ""

    def challenge(self, name: str) -> str:
        """An attestation challenge: its id, or `challenges/{id}`."""
        return self._complete(name, "challenges")

    def verdict(self, name: str) -> str:
        """A verdict: its id, or `verdicts/{id}`."""
        return self._complete(name, "verdicts")

    def policy(self, name: str) -> str:
        """An appraisal policy: its number, "active", or `policies/{number}`."""
        return self._complete(name, "policies")

    def collateral(self, name: str) -> str:
        """A piece of collateral: its id, or `collateral/{id}`."""
        return self._complete(name, "collateral")

    def anchor(self, name: str) -> str:
        """A trust anchor: the SHA-256 of its key (hex), or `anchors/{SHA-256}`."""
        return self._complete(name, "anchors")

    def proposal(self, name: str) -> str:
        """A proposal: its id, or `proposals/{id}`."""
        return self._complete(name, "proposals")

    def subject(self, name: str) -> str:
        """What a revocation is about: `devices/{id}` is a device, and so on; everything else short is a key or one of
        its versions.
        """
        collection = name.partition("/")[0]
        return self._complete(name, collection if collection in _REVOCABLE else "keys")

    def _complete(self, name: str, collection: str) -> str:
        if name.startswith("tenants/"):
            return name
        return f"{self.parent}/{collection}/{name.removeprefix(collection + '/')}"
