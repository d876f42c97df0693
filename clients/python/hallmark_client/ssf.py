"""client.ssf: servers that hear of security events over plain HTTPS (OpenID Shared Signals Framework 1.0)."""

from typing import Final

from hallmark.v1 import ssf_pb2
from hallmark_client.calls import Calls
from hallmark_client.model.ssf import CreatedSsfReceiver, SsfReceiver
from hallmark_client.permission_rpc import CREATE_SSF_RECEIVER, DELETE_SSF_RECEIVER, LIST_SSF_RECEIVERS
from hallmark_client.wire.ssf import created_of, receiver_of

_COLLECTION: Final = "ssfReceivers/"


class SsfReceivers:
    """Reached as `client.ssf`. Receivers may be named by their id alone."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(self, receiver_id: str, audience: str, *, request_id: str | None = None) -> CreatedSsfReceiver:
        """Let a server in. receiver_id: 1..63 lower-case letters, digits and hyphens. audience: a URI.

        The token in the answer is shown this once. An answer that was lost on its way comes again without it: delete
        the receiver then and create it anew. Raises InvalidArgument, AlreadyExists.
        """
        request = ssf_pb2.CreateSsfReceiverRequest(
            parent=self._calls.names.parent,
            receiver_id=receiver_id,
            audience=audience,
            request_id=self._calls.request_id(request_id),
        )
        return self._calls(CREATE_SSF_RECEIVER, request, created_of)

    def list(self) -> tuple[SsfReceiver, ...]:
        """All of this tenant, by id."""
        request = ssf_pb2.ListSsfReceiversRequest(parent=self._calls.names.parent)
        return self._calls(LIST_SSF_RECEIVERS, request, lambda page: tuple(map(receiver_of, page.receivers)))

    def delete(self, name: str) -> SsfReceiver:
        """Its token ends, its stream and all that waits go; gives what was there. Raises NotFound."""
        if not name.startswith("tenants/"):
            name = f"{self._calls.names.parent}/{_COLLECTION}{name.removeprefix(_COLLECTION)}"
        return self._calls(DELETE_SSF_RECEIVER, ssf_pb2.DeleteSsfReceiverRequest(name=name), receiver_of)
