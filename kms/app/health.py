"""Which parts a server has, and how each is asked whether it works."""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from hsm.errors import HsmError
from kms.core.database import Database
from kms.core.errors import ServiceError
from kms.keys.hsm_health import HsmHealthCheck
from kms.log.service import TransparencyLog
from kms.server.health import Probe

DATABASE: Final = "database"
WRITES: Final = "writes"
"""Of the database, which may still answer reads while its disk is full or slow."""
HSM: Final = "hsm"
LOG: Final = "log"
_SIGNS: Final = (DATABASE, HSM)
_READS: Final = (DATABASE,)
NEEDS: Final = {
    "hallmark.v1.SigningService": _SIGNS,
    "hallmark.v1.EnvelopeService": _SIGNS,
    "hallmark.v1.EdgeService": _SIGNS,
    "hallmark.v1.LogService": (DATABASE, LOG),
    "hallmark.v1.KeyService": _READS,
    "hallmark.v1.TrustService": _READS,
    "hallmark.v1.ApprovalService": _READS,
    "hallmark.v1.DeviceService": _READS,
    "hallmark.v1.AppraisalService": _READS,
    "hallmark.v1.CollateralService": _READS,
    "hallmark.v1.RevocationService": _READS,
    "hallmark.v1.EventService": _READS,
    "hallmark.v1.ArtifactService": _READS,
    "hallmark.v1.ConsentService": _READS,
    "hallmark.v1.RemovalService": _READS,
    "hallmark.v1.ReleaseService": _READS,
    "hallmark.v1.SsfService": _READS,
    "hallmark.v1.TenantService": _READS,
    "hallmark.v1.AccessService": _READS,
    "hallmark.v1.AuditService": _READS,
}
"""What a service can do nothing without. Of those that only read and record, some calls (such as CreateKey) still say
HSM_UNAVAILABLE while the HSM is away.
"""


def database_probe(database: Database) -> Probe:
    async def problem() -> str:
        try:
            await database.read(_select_one)
        except ServiceError as error:
            return str(error)
        return ""

    return problem


def writes_probe(database: Database) -> Probe:
    """Whether the last transaction was stored, and soon. Nothing is written to find out."""

    async def problem() -> str:
        return database.writes_problem

    return problem


def hsm_probe(health: HsmHealthCheck) -> Probe:
    """A real signature on every signer process."""

    async def problem() -> str:
        try:
            await health.check()
        except HsmError as error:
            return f"{error.code}: {error}"
        return ""

    return problem


def log_probe(log: TransparencyLog) -> Probe:
    """Whether entries get their proofs."""

    async def problem() -> str:
        return log.problem

    return problem


def _select_one(tx: Connection) -> None:
    tx.execute(sa.text("SELECT 1"))
