"""Capabilities from the wire."""

from hallmark.v1 import keys_pb2
from hallmark_client.model.capabilities import Capabilities, Engine, Hsm, Limits, LogIdentity
from hallmark_client.model.enums import Algorithm
from hallmark_client.wire.scalars import member_of, span


def capabilities_of(wire: keys_pb2.Capabilities) -> Capabilities:
    return Capabilities(
        version=wire.version,
        algorithms=tuple(member_of(Algorithm, number) for number in wire.algorithms),
        default_algorithm=member_of(Algorithm, wire.default_algorithm),
        engines=tuple(_engine_of(engine) for engine in wire.engines),
        hsm=_hsm_of(wire.hsm),
        log=LogIdentity(
            origin=wire.log.origin, verifier_keys=tuple(wire.log.verifier_keys), public_url=wire.log.public_url
        ),
        limits=_limits_of(wire.limits),
        evidence_formats=tuple(wire.evidence_formats),
        tls_group=wire.tls_group,
        require_pq_tls=wire.require_pq_tls,
    )


def _engine_of(wire: keys_pb2.Capabilities.Engine) -> Engine:
    return Engine(
        name=wire.name,
        version=wire.version,
        signs=wire.signs,
        verifies_releases=wire.verifies_releases,
        signatures_per_second=wire.signatures_per_second,
    )


def _hsm_of(wire: keys_pb2.Capabilities.Hsm) -> Hsm:
    return Hsm(
        module=wire.module,
        token_label=wire.token_label,
        token_model=wire.token_model,
        usable=wire.usable,
        native_mldsa=wire.native_mldsa,
        signer_processes=wire.signer_processes,
        problem=wire.problem,
    )


def _limits_of(wire: keys_pb2.Capabilities.Limits) -> Limits:
    return Limits(
        max_message_bytes=wire.max_message_bytes,
        max_context_bytes=wire.max_context_bytes,
        max_evidence_bytes=wire.max_evidence_bytes,
        challenge_lifetime=span(wire.challenge_lifetime),
        request_id_lifetime=span(wire.request_id_lifetime),
    )
