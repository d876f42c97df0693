"""Everything about devices, in the order of dependence: collateral > policies > devices > their re-appraisal."""

from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from hallmark.v1 import appraisal_pb2_grpc, collateral_pb2_grpc, devices_pb2_grpc
from kms.app.appraisal import make_appraisal, tenant_policies
from kms.app.collateral import make_collateral, make_reappraiser
from kms.app.devices import devices_settings, ensure_result_keys, make_devices
from kms.appraisal.model import SIGNING_KEY_ID as POLICY_SIGNING_KEY_ID
from kms.approvals.service import ApprovalService
from kms.config import Config
from kms.core.clock import Clock
from kms.devices.service import DeviceService
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.revocation.service import RevocationService
from kms.server.local_ca import LocalAuthority


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """What attestation stands on."""

    config: Config
    clock: Clock
    keys: KeyService
    signing: SigningService
    approvals: ApprovalService
    revocations: RevocationService
    authority: LocalAuthority


@dataclass(frozen=True, slots=True)
class AttestationParts:
    """`servicers`: the function that registers each, and it. `background` runs until cancelled."""

    devices: DeviceService
    servicers: tuple[tuple[Callable[[Any, Any], None], object], ...]
    background: Coroutine[None, None, None]


async def start_attestation(below: Below, closing: AsyncExitStack) -> AttestationParts:
    """Raises ConfigError."""
    config, clock = below.config, below.clock
    settings = devices_settings(config)
    collateral = make_collateral(config, settings, below.approvals, clock)
    await below.keys.ensure_service_key(POLICY_SIGNING_KEY_ID, clock.now())
    await ensure_result_keys(below.keys, clock)
    policies = tenant_policies(below.signing.database, settings.policy, clock)
    devices = make_devices(
        config,
        settings,
        signing=below.signing,
        authority=below.authority,
        policies=policies,
        collateral=collateral.shelf,
        randomness=below.approvals.randomness,
        clock=clock,
    )
    closing.callback(devices.verifier.close)
    reappraiser = make_reappraiser(devices.reappraisal, collateral, policies, below.revocations, clock)
    appraisal = make_appraisal(
        policies,
        below.signing,
        below.approvals,
        devices.reappraisal,
        listener=reappraiser,
        events=below.revocations.events,
    )
    await collateral.feeds.start()
    closing.push_async_callback(collateral.feeds.close)
    servicers = (
        (collateral_pb2_grpc.add_CollateralServiceServicer_to_server, collateral.servicer),
        (appraisal_pb2_grpc.add_AppraisalServiceServicer_to_server, appraisal),
        (devices_pb2_grpc.add_DeviceServiceServicer_to_server, devices.servicer),
    )
    return AttestationParts(devices.servicer.devices, servicers, reappraiser.run())
