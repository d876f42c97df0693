"""Approvals: the service as settings want it, and the people who can give them."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Connection

from kms.approvals.model import ApprovalPolicy, PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.config import Config, ConfigError
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.keys.gates import GatedAct, GatedChange
from kms.log.service import TransparencyLog
from kms.server.local_ca import LOCAL_TENANT, LocalAuthority


def make_approvals(config: Config, database: Database, log: TransparencyLog, randomness: Randomness) -> ApprovalService:
    required = config.approvals.required
    policy = ApprovalPolicy(
        {
            ProposedAct.DESTROY: required.destroy,
            ProposedAct.SHRED: required.destroy,
            ProposedAct.EXPORT: required.export,
            ProposedAct.POLICY_CHANGE: required.policy_change,
            ProposedAct.TRUST_ROOT_CHANGE: required.trust_root_change,
        }
    )
    return ApprovalService(
        database=database, log=log, randomness=randomness, policy=policy, operator_tenant=LOCAL_TENANT
    )


@dataclass(frozen=True, slots=True)
class KeyApprovals:
    """A kms.keys.gates.ApprovalGate."""

    approvals: ApprovalService

    def needed(self, act: GatedAct) -> int:
        return self.approvals.policy.needed(ProposedAct(act.value))

    def check(self, tx: Connection, proposal: str, change: GatedChange, now: datetime) -> None:
        self.approvals.check(tx, proposal, _planned(change), now)

    def consume(self, tx: Connection, proposal: str, change: GatedChange, now: datetime) -> None:
        self.approvals.consume(tx, proposal, _planned(change), now)


def _planned(change: GatedChange) -> PlannedAct:
    return PlannedAct(
        act=ProposedAct(change.act.value), subject=change.subject, parameters_sha256=change.parameters_sha256
    )


def client_folders(authority: LocalAuthority, config: Config) -> list[Path]:
    """One for each role and one for each further admin. Raises ConfigError."""
    try:
        return [*authority.ensure_clients().values(), *authority.ensure_admins(config.server.admins)]
    except ValueError as error:
        raise ConfigError(f"server.admins: {error}") from error
