"""client.anchors: keys that evidence may end in, the vendors' and your own."""

from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from hallmark.v1 import collateral_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.errors import InvalidArgument
from hallmark_client.model.collateral import Anchor, AnchorChange, Removal
from hallmark_client.wire.collateral import anchor_argument, anchor_change_of, anchor_of, removal_of
from hallmark_client.wire.scalars import log_wait_argument


class Anchors:
    """Reached as `client.anchors`. An anchor may be named by the SHA-256 of its key alone (hex)."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> tuple[Anchor, ...]:
        """The built-in ones, those of the server's settings, then this tenant's own."""
        request = collateral_pb2.ListAnchorsRequest(parent=self._calls.names.parent)
        return self._calls(rpc.LIST_ANCHORS, request, lambda page: tuple(map(anchor_of, page.anchors)))

    def get(self, name: str) -> Anchor:
        """Raises NotFound."""
        request = collateral_pb2.GetAnchorRequest(name=self._calls.names.anchor(name))
        return self._calls(rpc.GET_ANCHOR, request, anchor_of)

    def add(
        self, anchor: Anchor, *, proposal: str = "", wait: str = "committed", request_id: str | None = None
    ) -> AnchorChange:
        """Trust a key for this tenant. Stored evidence is judged again.

        Raises InvalidArgument, AlreadyExists (ANCHOR_EXISTS), FailedPrecondition (APPROVAL_REQUIRED, its relatives).
        """
        request = collateral_pb2.AddAnchorRequest(
            parent=self._calls.names.parent,
            anchor=anchor_argument(anchor),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.ADD_ANCHOR, request, anchor_change_of)

    def remove(
        self, name: str, *, proposal: str = "", wait: str = "committed", request_id: str | None = None
    ) -> Removal:
        """Distrust one of this tenant's own. Raises NotFound, FailedPrecondition (ANCHOR_BUILT_IN)."""
        request = collateral_pb2.RemoveAnchorRequest(
            name=self._calls.names.anchor(name),
            proposal=self._calls.names.proposal(proposal) if proposal else "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.REMOVE_ANCHOR, request, removal_of)


def key_of(data: bytes) -> bytes:
    """The DER SubjectPublicKeyInfo in a certificate or public key, PEM or DER. Raises InvalidArgument."""
    readers: tuple[Callable[[], Any], ...] = (
        lambda: x509.load_pem_x509_certificate(data).public_key(),
        lambda: load_pem_public_key(data),
        lambda: x509.load_der_x509_certificate(data).public_key(),
        lambda: load_der_public_key(data),
    )
    for read in readers:
        try:
            spki: bytes = read().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        except Exception:  # noqa: S112 - cryptography raises several kinds for foreign bytes
            continue
        return spki
    raise InvalidArgument("FIELD_INVALID", "neither a certificate nor a public key, in PEM or DER")
