"""Appraisal policies, put together."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from attestation.policy import Policy
from kms.appraisal.dry_run import DryRunService
from kms.appraisal.ports import NoListener, PolicyListener, StoredEvidence
from kms.appraisal.rpc import AppraisalServicer
from kms.appraisal.service import AppraisalService
from kms.appraisal.source import TenantPolicies
from kms.approvals.model import PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.core.clock import Clock
from kms.core.database import Database
from kms.events.appending import Events
from kms.keys.signing import SigningService
from kms.keys.verification import VerificationService


def tenant_policies(database: Database, built_in: Policy, clock: Clock) -> TenantPolicies:
    """A kms.devices.verification.PolicySource; `built_in` is that of the settings."""
    return TenantPolicies(database=database, verification=VerificationService(database), clock=clock, built_in=built_in)


@dataclass(frozen=True, slots=True)
class ActivationApprovals:
    """A kms.appraisal.ports.ActivationGate."""

    approvals: ApprovalService

    def consume(self, tx: Connection, proposal: str, subject: str, parameters_sha256: bytes, now: datetime) -> None:
        planned = PlannedAct(act=ProposedAct.POLICY_CHANGE, subject=subject, parameters_sha256=parameters_sha256)
        self.approvals.consume(tx, proposal, planned, now)


def make_appraisal(
    source: TenantPolicies,
    signing: SigningService,
    approvals: ApprovalService,
    stored: StoredEvidence,
    *,
    listener: PolicyListener | None = None,
    events: Events | None = None,
) -> AppraisalServicer:
    """`stored` is the devices' Reappraisal. The service key kms.appraisal.model.SIGNING_KEY_ID must be there."""
    appraisal = AppraisalService(
        database=source.database,
        signing=signing,
        log=approvals.log,
        randomness=approvals.randomness,
        source=source,
        gate=ActivationApprovals(approvals),
        listener=listener or NoListener(),
        events=events,
    )
    return AppraisalServicer(appraisal, DryRunService(appraisal, stored))
