"""The client: one connection's worth of Hallmark, typed."""

from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.access import Access
from hallmark_client.aliases import Aliases
from hallmark_client.anchors import Anchors
from hallmark_client.approvals import Approvals
from hallmark_client.artifacts import Artifacts
from hallmark_client.audit_reports import AuditReports
from hallmark_client.calls import Calls
from hallmark_client.collateral import CollateralCalls
from hallmark_client.consents import Consents
from hallmark_client.devices import Devices
from hallmark_client.envelopes import Envelopes
from hallmark_client.grpc_transport import GrpcTransport
from hallmark_client.keys import Keys
from hallmark_client.log import Log
from hallmark_client.model.capabilities import Capabilities
from hallmark_client.names import Names
from hallmark_client.policies import Policies
from hallmark_client.profile import Profile
from hallmark_client.releases import Releases
from hallmark_client.removals import Removals
from hallmark_client.revocations import Revocations
from hallmark_client.signing import Signing
from hallmark_client.ssf import SsfReceivers
from hallmark_client.system import System
from hallmark_client.tenants import Tenants
from hallmark_client.transport import Transport
from hallmark_client.trust import Trust
from hallmark_client.wire.capabilities import capabilities_of

if TYPE_CHECKING:
    from hallmark_client.watch import Watcher


class Client:
    """A Hallmark server, over gRPC with mutual TLS. Thread-safe; use it as a context manager or call `close`.

        with Client(Profile.load("hallmark-data/clients/backend")) as client:
            signature = client.signing.sign_file("manifest", "model.safetensors", context=b"models/v1")

    Every call has a deadline, every answer is checked, every failure is a HallmarkError. Calls that find the server
    unavailable are repeated within their deadline under the same request_id, so nothing happens twice.
    """

    keys: Keys
    """Create, look at, change and rotate keys."""
    aliases: Aliases
    """Other names for keys."""
    trust: Trust
    """Trust bundles: every public key with its validity."""
    signing: Signing
    """Sign and verify."""
    envelopes: Envelopes
    """Seal here, open there."""
    approvals: Approvals
    """Propose acts that need several people, and approve them."""
    policies: Policies
    """What devices are judged by."""
    collateral: CollateralCalls
    """Revocation lists, TCB levels, metadata, endorsed keys."""
    anchors: Anchors
    """Keys that evidence may end in."""
    devices: Devices
    """Attest devices."""
    revocations: Revocations
    """Revoke, and follow what is revoked."""
    consents: Consents
    """Grant, renew and withdraw consent; leases."""
    releases: Releases
    """Releases of models, and the keys of what is in them."""
    removals: Removals
    """Ask devices to delete; receipts; what was removed."""
    ssf: SsfReceivers
    """Servers that hear of events."""
    artifacts: Artifacts
    """Which artifacts may be used, and from which version on."""
    access: Access
    """Who may do what: policies, grants."""
    audit: AuditReports
    """Sessions, and what of it is post-quantum."""
    tenants: Tenants
    """Tenants: quotas, channel rules, suspension."""
    log: Log
    """Checkpoints and proofs of the transparency log."""
    _cert_pem: bytes | None = None
    """Of the profile: a watch reads there which device it is."""

    def __init__(self, profile: Profile, *, timeout_seconds: float = 10.0, system: System | None = None) -> None:
        """Connects at the first call, not here.

        timeout_seconds: of each call, retries included. system: time and randomness, for tests.
        """
        self._assemble(GrpcTransport(profile), profile.tenant, timeout_seconds, system or System(), profile.key_pem)
        self._cert_pem = profile.cert_pem

    @classmethod
    def over(
        cls,
        transport: Transport,
        *,
        tenant: str = "default",
        timeout_seconds: float = 10.0,
        system: System | None = None,
        key_pem: bytes | None = None,
    ) -> Self:
        """A client over another transport, such as that of `hallmark_client.testing`.

        key_pem: private key of the client certificate; only `approvals.approve` signs with it.
        """
        client = cls.__new__(cls)
        client._assemble(  # noqa: SLF001 - a second constructor
            transport, tenant, timeout_seconds, system or System(), key_pem
        )
        return client

    def _assemble(
        self, transport: Transport, tenant: str, timeout_seconds: float, system: System, key_pem: bytes | None
    ) -> None:
        self._calls = Calls(transport=transport, names=Names(tenant), timeout_seconds=timeout_seconds, system=system)
        self.keys = Keys(self._calls)
        self.aliases = Aliases(self._calls)
        self.trust = Trust(self._calls)
        self.signing = Signing(self._calls)
        self.envelopes = Envelopes(self._calls)
        self.approvals = Approvals(self._calls, key_pem)
        self.policies = Policies(self._calls)
        self.collateral = CollateralCalls(self._calls)
        self.anchors = Anchors(self._calls)
        self.devices = Devices(self._calls)
        self.revocations = Revocations(self._calls)
        self.consents = Consents(self._calls)
        self.releases = Releases(self._calls)
        self.removals = Removals(self._calls)
        self.ssf = SsfReceivers(self._calls)
        self.artifacts = Artifacts(self._calls)
        self.access = Access(self._calls)
        self.audit = AuditReports(self._calls)
        self.tenants = Tenants(self._calls)
        self.log = Log(self._calls)

    @property
    def tenant(self) -> str:
        """Whose resources short names mean."""
        return self._calls.names.tenant

    def capabilities(self) -> Capabilities:
        """What the server can do right now: algorithms, engines, HSM, limits, the log's keys."""
        return self._calls(rpc.GET_CAPABILITIES, keys_pb2.GetCapabilitiesRequest(), capabilities_of)

    def watch(self, **options: Any) -> "Watcher":
        """Follow what is granted and taken back, by stream, poll or files, whichever works: see `Watcher`."""
        from hallmark_client.watch import Watcher  # it stands on this class

        return Watcher(self, **options)

    def close(self) -> None:
        """Ends running watches and closes the connection. Closing twice is fine."""
        self._calls.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
