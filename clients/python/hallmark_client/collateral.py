"""client.collateral: revocation lists, TCB levels, metadata and endorsed keys that devices are judged by."""

from hallmark.v1 import collateral_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.collateral import CollateralChange, CollateralOverview, Removal
from hallmark_client.model.enums import CollateralKind
from hallmark_client.wire.collateral import change_of, overview_of, removal_of
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of


class CollateralCalls:
    """Reached as `client.collateral`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self, *, kind: CollateralKind | str | None = None) -> CollateralOverview:
        """What is in force for this tenant, and how the operator's sources do."""
        request = collateral_pb2.ListCollateralRequest(parent=self._calls.names.parent)
        if kind is not None:
            request.kind = number_of(_kind(kind))
        return self._calls(rpc.LIST_COLLATERAL, request, overview_of)

    def put(
        self,
        kind: CollateralKind | str,
        data: bytes,
        *,
        label: str = "",
        proposal: str = "",
        wait: str = "committed",
        request_id: str | None = None,
    ) -> CollateralChange:
        """Put a piece in force for this tenant, before what the operator provides; the server verifies it first.

        label: for TPM_KEYS and ARM_DEVICES, whose list it is. proposal: for kinds that no vendor signs, where approvals
        are asked for; the refusal says what to propose. Raises InvalidArgument (COLLATERAL_INVALID),
        FailedPrecondition (COLLATERAL_OUTDATED, APPROVAL_REQUIRED and its relatives).
        """
        request = collateral_pb2.PutCollateralRequest(
            parent=self._calls.names.parent,
            kind=number_of(_kind(kind)),
            data=data,
            label=label,
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.PUT_COLLATERAL, request, change_of)

    def remove(
        self, name: str, *, proposal: str = "", wait: str = "committed", request_id: str | None = None
    ) -> Removal:
        """Take out a piece of this tenant's own, by name or id. Raises NotFound, FailedPrecondition."""
        request = collateral_pb2.RemoveCollateralRequest(
            name=self._calls.names.collateral(name),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.REMOVE_COLLATERAL, request, removal_of)


def _kind(kind: CollateralKind | str) -> CollateralKind:
    return enum_argument(CollateralKind, kind.replace("-", "_"), "kind")
