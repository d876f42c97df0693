"""Which method of the fake answers which RPC."""

from collections.abc import Callable
from typing import Any, Final, TypeAlias

from google.protobuf.message import Message

from hallmark_client.testing.aliases import FakeAliases
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.envelopes import FakeEnvelopes
from hallmark_client.testing.key_life import FakeKeyLife
from hallmark_client.testing.transfer import FakeTransfer
from hallmark_client.testing.trust import FakeTrust

Handlers: TypeAlias = dict[str, Callable[[Any], Message]]
"""By method name; request in, answer out."""

# A rehearsal is no act, its readiness may bring a bundle; a compromise revokes each version and may rotate.
_SEVERAL: Final = {
    "RotateKey": {0, 1, 2, 3},
    "ChangeKeyVersionState": {1, 2},
    "UpdateKey": {0, 1, 2},
    "ExportKey": {2},
    "ReportKeyCompromise": set(range(1, 1000)),
}
# Log entries of one act. A challenge is no act of trust; a subject is revoked once, however often it is asked for.
LEAVES: Final = {"CreateChallenge": {0}, "Revoke": {0, 1}, "ShredEpoch": {1, 2}, **_SEVERAL}


def key_life_handlers(life: FakeKeyLife, aliases: FakeAliases, trust: FakeTrust) -> Handlers:
    return {
        "RotateKey": life.rotate,
        "UpdateKey": life.update,
        "ChangeKeyVersionState": life.change_state,
        "ReportKeyCompromise": life.report_compromise,
        "SetAlias": aliases.set,
        "DeleteAlias": aliases.delete,
        "ListAliases": aliases.list,
        "GetTrustBundle": trust.get,
        "AcknowledgeTrustBundle": trust.acknowledge,
        "GetRotationReadiness": trust.readiness,
    }


def people_handlers(approvals: FakeApprovals, envelopes: FakeEnvelopes, transfer: FakeTransfer) -> Handlers:
    return {
        "GetWrappingKey": transfer.get_wrapping_key,
        "ImportKey": transfer.import_key,
        "ExportKey": transfer.export_key,
        "GetEnvelopeKey": envelopes.get_key,
        "OpenEnvelope": envelopes.open,
        "OpenEnvelopes": envelopes.open_many,
        "GenerateDataKey": envelopes.generate_data_key,
        "ShredEpoch": envelopes.shred,
        "CreateProposal": approvals.create,
        "GetProposal": approvals.get,
        "ListProposals": approvals.list,
        "ApproveProposal": approvals.approve,
        "RejectProposal": approvals.reject,
    }
