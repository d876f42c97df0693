"""LogService: the log for those who speak gRPC already. The public files are the truth; every role may read proofs.

One servicer, put together from the parts that know their matter.
"""

import asyncio

from hallmark.v1 import log_pb2_grpc
from kms.core.clock import Clock
from kms.log.appending.appending import AppendService
from kms.log.appending.rpc import AppendRpc, ToStatus
from kms.log.entries.rpc import EntriesRpc, EntryServices
from kms.log.keys.key_life import LogKeyLife
from kms.log.keys.rpc import KeysRpc
from kms.log.proofs_rpc import ProofsRpc
from kms.log.service import TransparencyLog


class LogServicer(ProofsRpc, AppendRpc, EntriesRpc, KeysRpc, log_pb2_grpc.LogServiceServicer):
    def __init__(
        self,
        log: TransparencyLog,
        *,
        origin: str,
        appending: AppendService,
        entries: EntryServices,
        key_life: LogKeyLife,
        clock: Clock,
        to_status: ToStatus,
        draining: asyncio.Event,
    ) -> None:
        ProofsRpc.__init__(self, log, origin=origin)
        AppendRpc.__init__(self, appending, clock, to_status, draining)
        EntriesRpc.__init__(self, entries, origin=origin)
        KeysRpc.__init__(self, key_life)
