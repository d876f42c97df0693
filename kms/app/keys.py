"""Keys, their trust bundles and their clock work, put together."""

from dataclasses import dataclass

from kms.core.clock import Clock
from kms.core.steady_time import SteadyTime
from kms.keys.aliases import AliasService
from kms.keys.capabilities import CapabilityReader
from kms.keys.destroyer import Destroyer
from kms.keys.exports import ExportService
from kms.keys.imports import ImportService
from kms.keys.life import LifeService
from kms.keys.rotation import RotationService
from kms.keys.rpc import KeyServicer
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.transfer_rpc import KeyTransferServicer
from kms.keys.wrapping import WrappingKeys
from kms.public.files import PublicFiles
from kms.revocation.compromise import CompromiseService
from kms.revocation.service import RevocationService
from kms.server.local_ca import LOCAL_TENANT
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
    wrapping: WrappingKeys,
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
        life=LifeService(keys),
        aliases=AliasService(keys),
        compromise=compromise,
        readiness=trust,
        capabilities=capabilities,
        transfer=KeyTransferServicer(wrapping, ImportService(keys, wrapping), ExportService(keys)),
        operator_tenant=LOCAL_TENANT,
    )
    jobs = {
        "destructions": Destroyer(keys, SteadyTime(clock)).run_due,
        "reports of compromise": compromise.resume,
        "trust bundles": maker.make_due,
        "public trust bundles": publisher.publish_due,
    }
    scheduler = Scheduler(rotation=rotation, clock=clock, jobs=jobs)
    return KeyParts(servicer, TrustServicer(trust), scheduler)
