"""GetCapabilities of the fake. It says plainly that there is no HSM."""

from hallmark.v1 import keys_pb2
from hallmark_client.testing.devices import CHALLENGE_LIFE, MAX_EVIDENCE_BYTES
from hallmark_client.testing.keys import ALGORITHMS, KEMS
from hallmark_client.testing.log import FakeLog
from hallmark_client.testing.signing import MAX_CONTEXT_BYTES, MAX_DATA_BYTES


def capabilities(log: FakeLog, tls_group: str) -> keys_pb2.Capabilities:
    """tls_group: empty when there was no TLS."""
    numbers = [*ALGORITHMS, *KEMS]
    answer = keys_pb2.Capabilities(
        version="fake",
        algorithms=numbers,
        default_algorithm=numbers[0],
        engines=[keys_pb2.Capabilities.Engine(name="cryptography", signs=True, verifies_releases=True)],
        hsm=keys_pb2.Capabilities.Hsm(usable=False, problem="a fake: keys are in process memory"),
        log=keys_pb2.Capabilities.LogIdentity(origin=log.origin, verifier_keys=log.verifier_keys),
        limits=keys_pb2.Capabilities.Limits(
            max_message_bytes=MAX_DATA_BYTES,
            max_context_bytes=MAX_CONTEXT_BYTES,
            max_evidence_bytes=MAX_EVIDENCE_BYTES,
        ),
        evidence_formats=["ANDROID_KEY"],
        tls_group=tls_group,
    )
    answer.limits.challenge_lifetime.FromTimedelta(CHALLENGE_LIFE)
    answer.limits.request_id_lifetime.FromSeconds(24 * 3600)
    return answer
