"""What a vault holds and who asks, as plain facts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from hallmark_client.model.consents import ArtifactKind
from hallmark_client.model.result import Result

_NONE: Mapping[str, str] = MappingProxyType({})


class ArtifactState(StrEnum):
    """SUSPENDED: encrypted bytes and wrapped key stay, nobody gets them. DELETING: tombstone; never usable again."""

    AVAILABLE = "available"
    SUSPENDED = "suspended"
    DELETING = "deleting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part(Result):
    """One file of an artifact. A single stored file is one part with path "".

    path: relative POSIX path. size, sha256: of the plaintext (64 hex digits). blob: file name of the encrypted bytes in
    the vault (64 hex digits, a digest of them). context: what the encryption is bound to beside the key.
    """

    path: str
    size: int
    sha256: str
    blob: str
    blob_size: int
    context: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact(Result):
    """An artifact as the vault knows it.

    artifact_id: 32 hex digits, random, of this vault. name, version: unique together; version counts up (0: none).
    digest: SHA-256 (hex) the service knows it by: of the content, or of the statement of a release. subject: resource
    name at the service, tenants/{tenant}/artifacts/{digest}. needs_permission: usable only while a lease stands behind
    it. epoch: of the vault when it was stored (bound into the encryption).
    """

    artifact_id: str
    name: str
    kind: ArtifactKind
    version: int
    tenant: str
    digest: str
    size: int
    epoch: int
    state: ArtifactState
    needs_permission: bool
    created_at: datetime
    parts: tuple[Part, ...] = ()
    labels: Mapping[str, str] = field(default_factory=lambda: _NONE)

    @property
    def subject(self) -> str:
        return f"tenants/{self.tenant}/artifacts/{self.digest}"


class Enforcement(StrEnum):
    """Who makes a clause hold, honestly (weakest last)."""

    HARDWARE = "hardware"
    """A chip refuses: also against root on the device."""
    SERVER = "server"
    """The service gives no key or lease: it holds until the next one is needed."""
    PLATFORM = "platform"
    """The operating system refuses: not against root on the device."""
    ADVISORY = "advisory"
    """This program refuses: whoever changes it is not bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller(Result):
    """Who asks. `application` was named by the operating system (`proved`: peer credentials of the agent's socket), or
    is a label that the program gave itself.
    """

    application: str
    proved: bool = False
    user_present: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause(Result):
    """One rule as it holds for one artifact and caller. name: such as "callers", "max-uses", "lease", "not-after"."""

    name: str
    text: str
    enforcement: Enforcement
    allows: bool
