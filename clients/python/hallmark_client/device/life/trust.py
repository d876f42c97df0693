"""Whom a device believes: the service's keys and the log, pinned from outside or learnt over the proved channel."""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from hallmark_client.client import Client
from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.watch.service_keys import PinnedKeys, ServiceKeys
from hallmark_composite import CompositePublicKey
from hallmark_events.canonical import canonical_json
from hallmark_events.trust import LogTrust
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.vkey import parse_vkey

from .errors import NotEnrolled
from .keys import Secrets

_LABEL: Final = "trust"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """service_key: SubjectPublicKeyInfo in PEM of the one key to believe. pins: SHA-256 of the SubjectPublicKeyInfo of
    each key to believe, asked for when met. Neither: the server that mutual TLS proved is asked, and believed.
    log_policy: a tlog-policy with its witnesses, as text. log_keys: verifier keys, believed alone. Without either the
    log's keys are learnt at enrolment, and kept.
    """

    service_key: str = ""
    pins: frozenset[bytes] = frozenset()
    log_policy: str = ""
    log_keys: tuple[str, ...] = ()

    def learnt(self, client: Client) -> Self:
        """With the log's keys, where nothing was given. Raises HallmarkError."""
        if self.log_policy or self.log_keys:
            return self
        found = client.capabilities().log.verifier_keys
        return type(self)(service_key=self.service_key, pins=self.pins, log_keys=tuple(found))

    def keys(self, client: Client) -> Mapping[str, CompositePublicKey]:
        """The service's keys by version name."""
        if self.service_key:
            return PinnedKeys(CompositePublicKey.from_spki_pem(self.service_key))
        return ServiceKeys(client, self.pins)

    def log(self) -> LogTrust:
        if self.log_policy:
            return parse_policy(self.log_policy)
        return [parse_vkey(key) for key in self.log_keys]

    def keep(self, secrets: Secrets) -> None:
        """In the vault: whoever changed it would speak for the service."""
        secrets.keep_secret(_LABEL, canonical_json(self.to_json()))

    @classmethod
    def kept(cls, secrets: Secrets) -> Self:
        """Raises NotEnrolled."""
        try:
            return cls.from_json(json.loads(secrets.secret(_LABEL)))
        except ArtifactUnknown:
            raise NotEnrolled("NOT_ENROLLED", "this vault was never enrolled; begin with Device.enrol") from None

    def to_json(self) -> dict[str, Any]:
        return {
            "service_key": self.service_key,
            "pins": sorted(base64.b64encode(pin).decode() for pin in self.pins),
            "log_policy": self.log_policy,
            "log_keys": list(self.log_keys),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(
            service_key=value["service_key"],
            pins=frozenset(base64.b64decode(pin) for pin in value["pins"]),
            log_policy=value["log_policy"],
            log_keys=tuple(value["log_keys"]),
        )
