"""client.trust: take up trust bundles, say so, and see who did."""

from collections.abc import Mapping

from hallmark.v1 import keys_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.key_settings import Readiness
from hallmark_client.model.signed import TrustedKeys
from hallmark_client.model.trust import SIGNING_KEY, TrustBundle, VerifiedBundle
from hallmark_client.wire.key_settings import readiness_of
from hallmark_client.wire.keys import public_key_of
from hallmark_client.wire.trust import bundle_of, bundle_of_document
from hallmark_composite import CompositePublicKey

__all__ = ["Trust", "TrustBundle", "VerifiedBundle", "read_public_bundle"]


class Trust:
    """Reached as `client.trust`.

    bundle = client.trust.fetch()
    verified = bundle.verify(client.trust.service_keys(), tenant="default", now=datetime.now(UTC))
    ... keep it ...
    client.trust.acknowledge(verified.sequence)
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def fetch(self) -> TrustBundle:
        """The newest bundle of the tenant; shows every change that was made before the call. Verify it."""
        request = keys_pb2.GetTrustBundleRequest(parent=self._calls.names.parent)
        return self._calls(rpc.GET_TRUST_BUNDLE, request, bundle_of)

    def service_keys(self) -> TrustedKeys:
        """The key that signs bundles now, as this connection tells it: for the first bundle of a new client.

        Later bundles are verified with `VerifiedBundle.service_keys` of the one before.
        """
        request = keys_pb2.GetPublicKeyRequest(name=SIGNING_KEY)
        key = self._calls(rpc.GET_PUBLIC_KEY, request, public_key_of)
        keys: Mapping[str, CompositePublicKey] = {key.name: key.composite()}
        return keys

    def acknowledge(self, sequence: int) -> int:
        """Say that this client has taken up a bundle; gives the newest sequence: fetch again when it is larger."""
        request = keys_pb2.AcknowledgeTrustBundleRequest(parent=self._calls.names.parent, sequence=sequence)
        return self._calls(rpc.ACKNOWLEDGE_TRUST_BUNDLE, request, lambda answer: answer.latest_sequence)

    def readiness(self, key: str) -> Readiness:
        """Which share of the clients has the bundle that holds the next version of a key. Raises NotFound."""
        request = keys_pb2.GetRotationReadinessRequest(name=self._calls.names.key(key))
        return self._calls(rpc.GET_ROTATION_READINESS, request, readiness_of)


def read_public_bundle(document: bytes) -> TrustBundle:
    """A bundle from its public file, `trust/{tenant}/latest.json`; verify it like any other.

    Raises VerificationFailed (BUNDLE_INVALID), whatever the bytes.
    """
    return bundle_of_document(document)
