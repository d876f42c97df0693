"""Trust bundles from the wire and from public files."""

from hallmark.v1 import keys_pb2
from hallmark_client.model.bundle_payload import read_document
from hallmark_client.model.signed import ServiceSignature
from hallmark_client.model.trust import TrustBundle
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.signed import signature_of


def bundle_of(wire: keys_pb2.TrustBundle) -> TrustBundle:
    return TrustBundle(
        payload=wire.payload,
        signature=signature_of(wire.signature),
        sequence=wire.sequence,
        public_path=wire.public_path,
        log=promise_of(wire.log),
    )


def bundle_of_document(document: bytes) -> TrustBundle:
    """Raises VerificationFailed (BUNDLE_INVALID)."""
    content = read_document(document)
    return TrustBundle(
        payload=content["payload"],
        signature=ServiceSignature(
            key_version=content["key_version"],
            signature=content["signature"],
            context=content["context"],
            sign_time=content["sign_time"],
        ),
        sequence=content["sequence"],
    )
