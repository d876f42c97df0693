"""client.keys: create, look at and rotate keys. Private keys never leave the HSM boundary."""

from collections.abc import Iterator, Mapping

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.enums import Algorithm, LogWait
from hallmark_client.model.keys import Key, PublicKey
from hallmark_client.wire.keys import changed_key_of, key_of, public_key_of
from hallmark_client.wire.scalars import enum_argument, log_wait_argument, number_of


class Keys:
    """Reached as `client.keys`. Names may be short: "manifest", "manifest/versions/2"."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def create(
        self,
        key_id: str,
        *,
        algorithm: Algorithm | str | None = None,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Key:
        """Create a key with its first version.

        key_id: 1 to 63 lower-case letters, digits or hyphens, begins with a letter. algorithm: default is the
        server's, id-MLDSA65-ECDSA-P256-SHA512. request_id: give the one of an earlier call to get its answer again.
        Raises AlreadyExists (KEY_EXISTS) and what every call may raise.
        """
        request = keys_pb2.CreateKeyRequest(
            parent=self._calls.names.parent,
            key_id=key_id,
            labels=dict(labels or {}),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        if algorithm is not None:
            request.algorithm = number_of(enum_argument(Algorithm, algorithm, "algorithm"))
        return self._calls(rpc.CREATE_KEY, request, changed_key_of)

    def get(self, name: str) -> Key:
        """A key with all its versions. Raises NotFound."""
        request = keys_pb2.GetKeyRequest(name=self._calls.names.key(name))
        return self._calls(rpc.GET_KEY, request, key_of)

    def list(self, *, page_size: int = 0) -> Iterator[Key]:
        """Every key of the tenant by key id, fetched page by page. page_size: 1 to 1000; 0 is the server's choice."""
        token = ""
        while True:
            request = keys_pb2.ListKeysRequest(parent=self._calls.names.parent, page_size=page_size, page_token=token)
            keys, token = self._calls(
                rpc.LIST_KEYS, request, lambda page: ([key_of(key) for key in page.keys], page.next_page_token)
            )
            yield from keys
            if not token:
                return

    def public_key(self, name: str) -> PublicKey:
        """The public key of a version, or of the primary version when a key is named. Raises NotFound."""
        request = keys_pb2.GetPublicKeyRequest(name=self._calls.names.key(name))
        return self._calls(rpc.GET_PUBLIC_KEY, request, public_key_of)

    def rotate(
        self, name: str, *, etag: str | None = None, request_id: str | None = None, wait: LogWait = "committed"
    ) -> Key:
        """Make a new primary version. The old one verifies for ever and signs no more.

        etag: of the key as it was read; refuses with Aborted (ETAG_MISMATCH) when it changed meanwhile.
        """
        request = keys_pb2.RotateKeyRequest(
            name=self._calls.names.key(name),
            etag=etag or "",
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        return self._calls(rpc.ROTATE_KEY, request, changed_key_of)
