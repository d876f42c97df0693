"""Every feature of the service, from the bottom up: signing > events > revocation > keys > attestation > ... > log."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

from grpc_health.v1 import health_pb2_grpc

from attestation import FORMATS
from hallmark.v1 import (
    access_pb2_grpc,
    approvals_pb2_grpc,
    audit_pb2_grpc,
    edge_pb2_grpc,
    envelopes_pb2_grpc,
    keys_pb2_grpc,
    log_pb2_grpc,
    tenants_pb2_grpc,
)
from kms.app.access import AuditedCalls, make_access
from kms.app.approvals import KeyApprovals, make_approvals
from kms.app.attestation import Below, start_attestation
from kms.app.edge_service import make_edge_service
from kms.app.envelopes import make_envelopes
from kms.app.events import make_events
from kms.app.ground import Ground
from kms.app.hsm import pkcs11_settings
from kms.app.keys import make_key_parts
from kms.app.log_rpc import make_log_servicer
from kms.app.permission import Permission
from kms.app.tenants import key_quota, make_tenants
from kms.approvals.rpc import ApprovalServicer
from kms.approvals.service import ApprovalService
from kms.devices.gate import DeviceVerdicts
from kms.devices.revocable import RevocableDevices
from kms.devices.service import DeviceService
from kms.envelopes.model import SIGNING_KEY_ID as ENVELOPES_SIGNING_KEY_ID
from kms.events.model import SIGNING_KEY_ID
from kms.keys.capabilities import CapabilityReader, ServerFacts
from kms.keys.hsm_health import HsmHealthCheck
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.signing_rpc import SigningServicer
from kms.keys.usage import UseRates
from kms.keys.verification import VerificationService
from kms.keys.wrapping import WrappingKeys
from kms.log.rpc import LogServicer
from kms.public.files import FolderPublicFiles
from kms.revocation.service import RevocationService
from kms.revocation.subjects import RevocableKeys
from kms.server.errors import to_status
from kms.server.grpc_server import Registration
from kms.trust.model import SIGNING_KEY_ID as TRUST_SIGNING_KEY_ID

_GROUPS_PER_SIGNER = 3  # two that its process has, one that is being committed
_SIGNING_KEY_IDS = (SIGNING_KEY_ID, TRUST_SIGNING_KEY_ID, ENVELOPES_SIGNING_KEY_ID)


@dataclass(slots=True)
class Features:
    """`registrations` are the servicers, once `start` is through."""

    ground: Ground
    registrations: list[Registration] = field(default_factory=list)

    async def start(self) -> None:
        """Raises ConfigError, HsmError."""
        ground = self.ground
        signing = self._signing()
        approvals = make_approvals(ground.config, ground.database, ground.log, ground.randomness)
        keys = KeyService(
            ground.database,
            ground.provider,
            ground.log,
            ground.randomness,
            KeyApprovals(approvals),
            key_quota(ground.config.tenants, ground.clock),
        )
        for key_id in _SIGNING_KEY_IDS:
            await keys.ensure_service_key(key_id, ground.clock.now())
        revocations = self._revocations(signing)
        health = HsmHealthCheck(ground.provider, ground.clock)
        ground.observing.watch_hsm(health, ground.provider)
        await self._keys(keys, revocations, health)
        devices = await self._attestation(keys, approvals, revocations)
        self._add(approvals_pb2_grpc.add_ApprovalServiceServicer_to_server, ApprovalServicer(approvals))
        envelopes = make_envelopes(ground.config, keys, signing, approvals, ground.clock)
        self._add(envelopes_pb2_grpc.add_EnvelopeServiceServicer_to_server, envelopes)
        self._add(log_pb2_grpc.add_LogServiceServicer_to_server, self._log_servicer())
        await self._access(keys, signing, approvals)
        await Permission(ground, revocations, self._add).start(keys, devices, envelopes.opener)
        self._operations(revocations)

    def _revocations(self, signing: SigningService) -> RevocationService:
        ground = self.ground
        return RevocationService(
            events=make_events(
                database=ground.database,
                signing=signing,
                log=ground.log,
                randomness=ground.randomness,
                draining=ground.draining,
                issuer=f"spiffe://{ground.config.server.trust_domain}/server",
            ),
            subjects={"keys": RevocableKeys(), "devices": RevocableDevices()},
        )

    async def _keys(self, keys: KeyService, revocations: RevocationService, health: HsmHealthCheck) -> None:
        ground, signing = self.ground, revocations.events.signing
        wrapping = WrappingKeys(keys, signing, ENVELOPES_SIGNING_KEY_ID)
        await wrapping.ensure(ground.clock.now())
        parts = make_key_parts(
            keys=keys,
            signing=signing,
            revocations=revocations,
            wrapping=wrapping,
            files=FolderPublicFiles(ground.config.path(ground.config.log.public_folder)),
            capabilities=CapabilityReader(ground.provider, health, self._facts()),
            clock=ground.clock,
        )
        self._add(keys_pb2_grpc.add_KeyServiceServicer_to_server, parts.servicer)
        self._add(keys_pb2_grpc.add_TrustServiceServicer_to_server, parts.trust)
        verification = VerificationService(ground.database)
        self._add(keys_pb2_grpc.add_SigningServiceServicer_to_server, SigningServicer(signing, verification, to_status))
        ground.spawn(parts.scheduler.run())

    async def _attestation(
        self, keys: KeyService, approvals: ApprovalService, revocations: RevocationService
    ) -> DeviceService:
        ground = self.ground
        below = Below(
            config=ground.config,
            clock=ground.clock,
            keys=keys,
            signing=revocations.events.signing,
            approvals=approvals,
            revocations=revocations,
            authority=ground.authority,
        )
        parts = await start_attestation(below, ground.closing)
        for add, servicer in parts.servicers:
            self._add(add, servicer)
        ground.spawn(parts.background)
        return parts.devices

    def _operations(self, revocations: RevocationService) -> None:
        """What operators, auditors and edges ask."""
        ground = self.ground
        servicer = make_tenants(
            ground.config.tenants,
            database=ground.database,
            log=ground.log,
            randomness=ground.randomness,
            terms=ground.walls.terms,
        )
        self._add(tenants_pb2_grpc.add_TenantServiceServicer_to_server, servicer)
        self._add(edge_pb2_grpc.add_EdgeServiceServicer_to_server, make_edge_service(revocations.events, ground.clock))
        self._add(audit_pb2_grpc.add_AuditServiceServicer_to_server, ground.walls.audit.servicer)
        self._add(health_pb2_grpc.add_HealthServicer_to_server, ground.observing.servicer())

    async def _access(self, keys: KeyService, signing: SigningService, approvals: ApprovalService) -> None:
        walls, domain = self.ground.walls, self.ground.config.server.trust_domain
        seen = AuditedCalls(walls.audit.seen_calls)
        servicer = await make_access(walls.access, keys, signing, approvals, trust_domain=domain, seen=seen)
        self._add(access_pb2_grpc.add_AccessServiceServicer_to_server, servicer)

    def _signing(self) -> SigningService:
        ground = self.ground
        groups = _GROUPS_PER_SIGNER * pkcs11_settings(ground.config).worker_count
        rates = UseRates(ground.clock)
        return SigningService(
            ground.database, ground.provider, ground.log, ground.randomness, rates, groups, DeviceVerdicts()
        )

    def _log_servicer(self) -> LogServicer:
        ground = self.ground
        return make_log_servicer(
            database=ground.database,
            provider=ground.provider,
            log=ground.log,
            clock=ground.clock,
            randomness=ground.randomness,
            draining=ground.draining,
        )

    def _facts(self) -> Callable[[], Awaitable[ServerFacts]]:
        ground = self.ground

        async def facts() -> ServerFacts:
            return ServerFacts(
                version=version("hallmark"),
                log_origin=ground.log.origin,
                verifier_keys=tuple(str(key) for key in ground.log.verifier_keys()),
                public_url=ground.public_url(),
                evidence_formats=tuple(evidence_format.value for evidence_format in FORMATS),
                challenge_lifetime_seconds=ground.config.devices.challenge_lifetime_seconds,
                require_pq_tls=ground.config.server.require_pq_tls,
            )

        return facts

    def _add(self, add: Callable[[Any, Any], None], servicer: object) -> None:
        self.registrations.append(lambda server: add(servicer, server))
