"""What this server can do right now, gathered for GetCapabilities."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hallmark.v1 import keys_pb2
from hsm.errors import HsmError
from hsm.provider import HsmCapabilities, KeyProvider
from kms.core.call import Call
from kms.core.idempotency import LIFETIME
from kms.keys import wire
from kms.keys.algorithms import DEFAULT
from kms.keys.hsm_health import HsmHealthCheck
from kms.keys.model import CONTEXT_BYTES_MAX, MESSAGE_BYTES_MAX

EVIDENCE_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What the composition root knows of the running server. Times in seconds."""

    version: str
    log_origin: str
    verifier_keys: tuple[str, ...]
    public_url: str
    evidence_formats: tuple[str, ...]
    challenge_lifetime_seconds: int
    require_pq_tls: bool


@dataclass(frozen=True, slots=True)
class CapabilityReader:
    """Asks the HSM and the composition root at each call: the answer is what is live now."""

    provider: KeyProvider
    health: HsmHealthCheck
    facts: Callable[[], Awaitable[ServerFacts]]

    async def read(self, call: Call) -> keys_pb2.Capabilities:
        facts = await self.facts()
        message = keys_pb2.Capabilities(
            version=facts.version,
            algorithms=wire.algorithms_to_wire(),
            default_algorithm=wire.algorithm_to_wire(DEFAULT.title),
            evidence_formats=facts.evidence_formats,
            tls_group=call.channel.group,
            require_pq_tls=facts.require_pq_tls,
            log=keys_pb2.Capabilities.LogIdentity(
                origin=facts.log_origin, verifier_keys=facts.verifier_keys, public_url=facts.public_url
            ),
            limits=keys_pb2.Capabilities.Limits(
                max_message_bytes=MESSAGE_BYTES_MAX,
                max_context_bytes=CONTEXT_BYTES_MAX,
                max_evidence_bytes=EVIDENCE_BYTES_MAX,
            ),
        )
        message.limits.challenge_lifetime.FromSeconds(facts.challenge_lifetime_seconds)
        message.limits.request_id_lifetime.FromTimedelta(LIFETIME)
        try:
            capabilities = await self.provider.capabilities()
            await self.health.check()
        except HsmError as error:
            message.hsm.problem = str(error)
            return message
        _add_hsm(message, capabilities)
        return message


def _add_hsm(message: keys_pb2.Capabilities, found: HsmCapabilities) -> None:
    message.hsm.CopyFrom(
        keys_pb2.Capabilities.Hsm(
            module=found.module,
            token_label=found.token_label,
            token_model=found.token_model,
            usable=True,
            native_mldsa="ML_DSA" in found.mechanisms,
            signer_processes=found.workers,
        )
    )
    for engine in found.engines:
        message.engines.add(
            name=engine.name,
            version=engine.version,
            signs=engine.name == found.signing_engine,
            verifies_releases=engine.name == found.verifying_engine,
            signatures_per_second=engine.signs_per_second or 0,
        )
