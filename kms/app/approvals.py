"""Approvals: the service as settings want it, and the people who can give them."""

from pathlib import Path

from kms.approvals.model import ApprovalPolicy, ProposedAct
from kms.approvals.service import ApprovalService
from kms.config import Config, ConfigError
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.log.service import TransparencyLog
from kms.server.local_ca import LocalAuthority


def make_approvals(config: Config, database: Database, log: TransparencyLog, randomness: Randomness) -> ApprovalService:
    required = config.approvals.required
    policy = ApprovalPolicy(
        {
            ProposedAct.DESTROY: required.destroy,
            ProposedAct.EXPORT: required.export,
            ProposedAct.POLICY_CHANGE: required.policy_change,
            ProposedAct.TRUST_ROOT_CHANGE: required.trust_root_change,
        }
    )
    return ApprovalService(database=database, log=log, randomness=randomness, policy=policy)


def client_folders(authority: LocalAuthority, config: Config) -> list[Path]:
    """One for each role and one for each further admin. Raises ConfigError."""
    try:
        return [*authority.ensure_clients().values(), *authority.ensure_admins(config.server.admins)]
    except ValueError as error:
        raise ConfigError(f"server.admins: {error}") from error
