"""client.keys: create, look at, change and rotate keys. Private keys never leave the HSM boundary."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Unpack

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.key_life import KeyLife
from hallmark_client.model.enums import Algorithm, KeyPurpose, LogWait
from hallmark_client.model.key_settings import Rehearsal
from hallmark_client.model.keys import Key, PublicKey
from hallmark_client.put_settings import Settings, put_kind, put_settings
from hallmark_client.wire.key_changes import rehearsal_of
from hallmark_client.wire.keys import changed_key_of, key_of, public_key_of
from hallmark_client.wire.scalars import log_wait_argument, span_argument


class Keys(KeyLife):
    """Reached as `client.keys`. Names may be short: "manifest", "manifest/versions/2"."""

    def create(
        self,
        key_id: str,
        *,
        algorithm: Algorithm | str | None = None,
        purpose: KeyPurpose | str | None = None,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
        **settings: Unpack[Settings],
    ) -> Key:
        """Create a key with its first version.

        key_id: 1 to 63 lower-case letters, digits or hyphens, begins with a letter. algorithm: default is the
        server's, id-MLDSA65-ECDSA-P256-SHA512. purpose: default SIGN, or ENVELOPE for HPKE algorithms. request_id: give
        the one of an earlier call to get its answer again.
        settings: rotation (RotationPolicy), usage_limits (UsageLimits), destroy_wait (1 to 120 days, default 30),
        export_policy (default NEVER; can only be made stricter later), attestation_gate (of the device behind each
        use), sensitivity (default STANDARD).
        Raises AlreadyExists (KEY_EXISTS) and what every call may raise.
        """
        request = keys_pb2.CreateKeyRequest(
            parent=self._calls.names.parent,
            key_id=key_id,
            labels=dict(labels or {}),
            request_id=self._calls.request_id(request_id),
            log_wait=log_wait_argument(wait),
        )
        put_kind(request, algorithm, purpose)
        put_settings(request, **settings)
        return self._calls(rpc.CREATE_KEY, request, changed_key_of)

    def get(self, name: str) -> Key:
        """A key with all its versions. Raises NotFound."""
        request = keys_pb2.GetKeyRequest(name=self._calls.names.key(name))
        return self._calls(rpc.GET_KEY, request, key_of)

    def list(self, *, page_size: int = 0, own: bool = False) -> Iterator[Key]:
        """Every key of the tenant by key id, fetched page by page. page_size: 1 to 1000; 0 is the server's choice.

        own: the service's own keys instead (tenants/system), which its operators rotate like any other.
        """
        token, parent = "", "tenants/system" if own else self._calls.names.parent
        while True:
            request = keys_pb2.ListKeysRequest(parent=parent, page_size=page_size, page_token=token)
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
        self,
        name: str,
        *,
        etag: str | None = None,
        lead: timedelta | None = None,
        proposal: str | None = None,
        request_id: str | None = None,
        wait: LogWait = "committed",
    ) -> Key:
        """Make a new version. Without a lead it signs at once, and the old one verifies on and signs no more.

        lead: how long its public key is in the trust bundle before it signs; default is the key's own publish lead.
        Without a lead, a version that waits already becomes the primary one. etag: of the key as it was read; refuses
        with Aborted (ETAG_MISMATCH) when it changed meanwhile. proposal: an approved one (TRUST_ROOT_CHANGE), for the
        service's own keys where the server asks for it.
        """
        request = self._rotation(name, etag, lead)
        request.proposal = "" if proposal is None else self._calls.names.proposal(proposal)
        request.request_id = self._calls.request_id(request_id)
        request.log_wait = log_wait_argument(wait)
        return self._calls(rpc.ROTATE_KEY, request, changed_key_of)

    def rehearse_rotation(self, name: str, *, etag: str | None = None, lead: timedelta | None = None) -> Rehearsal:
        """Say what `rotate` would do and who would not be ready; changes nothing. Raises what `rotate` would raise."""
        request = self._rotation(name, etag, lead)
        request.request_id = self._calls.request_id(None)
        request.validate_only = True
        return self._calls(rpc.ROTATE_KEY, request, rehearsal_of)

    def _rotation(self, name: str, etag: str | None, lead: timedelta | None) -> keys_pb2.RotateKeyRequest:
        request = keys_pb2.RotateKeyRequest(name=self._calls.names.key(name), etag=etag or "")
        if lead is not None:
            request.publish_lead.CopyFrom(span_argument(lead, "lead"))
        return request
