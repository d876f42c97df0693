"""Keys, their trust bundles and their clock work, put together."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection

from kms.approvals.model import PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.core.clock import Clock
from kms.core.names import KeyVersionName
from kms.keys.aliases import AliasService
from kms.keys.capabilities import CapabilityReader
from kms.keys.destroyer import Destroyer
from kms.keys.life import DestroyGate, LifeService
from kms.keys.rotation import RotationService
from kms.keys.rpc import KeyServicer
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.public.files import PublicFiles
from kms.revocation.compromise import CompromiseService
from kms.revocation.service import RevocationService
from kms.trust.bundles import BundleMaker
from kms.trust.publication import BundlePublisher
from kms.trust.rpc import TrustServicer
from kms.trust.scheduler import Scheduler
from kms.trust.service import TrustService


@dataclass(frozen=True, slots=True)
class KeyParts:
    servicer: KeyServicer
    trust: TrustServicer
    scheduler: Scheduler


def make_key_parts(
    *,
    keys: KeyService,
    signing: SigningService,
    revocations: RevocationService,
    approvals: ApprovalService,
    files: PublicFiles,
    capabilities: CapabilityReader,
    clock: Clock,
) -> KeyParts:
    publisher = BundlePublisher(keys.database, files)
    maker = BundleMaker(
        database=keys.database, signing=signing, log=keys.log, publisher=publisher, randomness=keys.randomness
    )
    rotation = RotationService(keys)
    trust = TrustService(keys.database, keys, maker)
    compromise = CompromiseService(rotation, revocations)
    servicer = KeyServicer(
        keys=keys,
        rotation=rotation,
        life=LifeService(keys, _destroy_gate(approvals)),
        aliases=AliasService(keys),
        compromise=compromise,
        readiness=trust,
        capabilities=capabilities,
    )
    jobs = {
        "destructions": Destroyer(keys).run_due,
        "reports of compromise": compromise.resume,
        "trust bundles": maker.make_due,
        "public trust bundles": lambda _now: publisher.publish_due(),
    }
    scheduler = Scheduler(rotation=rotation, clock=clock, jobs=jobs)
    return KeyParts(servicer, TrustServicer(trust), scheduler)


def _destroy_gate(approvals: ApprovalService) -> DestroyGate:
    def gate(tx: Connection, proposal: str, version: KeyVersionName, now: datetime) -> None:
        approvals.consume(tx, proposal, PlannedAct(act=ProposedAct.DESTROY, subject=str(version)), now)

    return gate
