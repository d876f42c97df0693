"""The other end of the protocol over any root of trust: one request in, one answer out. Pure but for the root itself.

What a native app does in its own language (docs/device-bridge.md), here for the reference and for tests.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol, assert_never

from hallmark_client.device.errors import LimitReached, RootLost, RootUnavailable
from hallmark_client.model.devices import Evidence
from hallmark_events.canonical import Json, encode_base64

from .bridge_answers import CLAIM_DOMAIN, CLAIM_NONCE_SIZE, BridgeClaim, claim_fields, claim_message
from .bridge_frames import (
    BLOB_MAX,
    MESSAGE_MAX,
    BridgeInvalid,
    Code,
    Fields,
    Op,
    parse_request,
    refusal,
    result,
)
from .port import Limits, RootOfTrust
from .sealed import LABEL_MAX, SECRET_MAX, wipe

CHALLENGE_SIZE: Final = 32


class BridgedKey(Protocol):
    """The key that a bridge attests, EC P-256."""

    def sign(self, message: bytes) -> bytes:
        """ECDSA with SHA-256, DER."""

    def attest(self, challenge: bytes) -> Evidence:
        """About this key, over 32 bytes of the service."""


class BridgeService:
    """One caller at a time. key: None where the bridge attests nothing; then claim.key is empty."""

    def __init__(self, root: RootOfTrust, claim: BridgeClaim, key: BridgedKey | None) -> None:
        self._root = root
        self._claim = claim
        self._key = key

    def answer(self, body: bytes) -> bytes:
        """The frame to send back; for any bytes."""
        try:
            return result(self._carry_out(*parse_request(body)))
        except (BridgeInvalid, ValueError) as error:
            return refusal(Code.INVALID, str(error))
        except RootUnavailable as error:
            return refusal(Code.UNAVAILABLE, error.message)
        except RootLost as error:
            return refusal(Code.LOST, error.message)
        except LimitReached as error:
            return refusal(Code(error.clause), error.message)

    def _carry_out(self, op: Op, params: Mapping[str, Any]) -> dict[str, Json]:
        match op:
            case Op.FACTS:
                return self._facts(Fields(params, "nonce"))
            case Op.EPOCH:
                Fields(params)
                return {"epoch": self._root.epoch()}
            case Op.SEAL:
                return self._seal(Fields(params, "epoch", "label", "max_uses", "not_after_seconds", "secret"))
            case Op.OPEN:
                return self._open(Fields(params, "blob", "epoch", "label"))
            case Op.ADVANCE:
                self._root.advance(Fields(params, "to").number("to", at_least=1))
                return {"epoch": self._root.epoch()}
            case Op.EVIDENCE:
                return self._evidence(Fields(params, "nonce"))
            case Op.ATTEST:
                return self._attest(Fields(params, "challenge"))
            case Op.SIGN:
                return self._sign(Fields(params, "message"))
            case _ as other:
                assert_never(other)

    def _facts(self, params: Fields) -> dict[str, Json]:
        nonce = params.data("nonce", at_least=CLAIM_NONCE_SIZE, at_most=CLAIM_NONCE_SIZE)
        signature = self._key.sign(claim_message(self._claim, nonce)) if self._key else b""
        return {"claim": claim_fields(self._claim), "signature": encode_base64(signature)}

    def _seal(self, params: Fields) -> dict[str, Json]:
        max_uses = params.number_or_none("max_uses", at_least=1)
        seconds = params.number_or_none("not_after_seconds", at_least=1)
        limits = Limits(max_uses=max_uses, not_after_seconds=seconds)
        blob = self._root.seal(
            params.data("secret", at_least=1, at_most=SECRET_MAX),
            epoch=params.number("epoch", at_least=1),
            label=params.data("label", at_least=1, at_most=LABEL_MAX),
            limits=None if limits == Limits() else limits,
        )
        return {"blob": encode_base64(blob)}

    def _open(self, params: Fields) -> dict[str, Json]:
        secret = self._root.open(
            params.data("blob", at_least=1, at_most=BLOB_MAX),
            epoch=params.number("epoch", at_least=1),
            label=params.data("label", at_least=1, at_most=LABEL_MAX),
        )
        try:
            return {"secret": encode_base64(bytes(secret))}
        finally:
            wipe(secret)

    def _evidence(self, params: Fields) -> dict[str, Json]:
        evidence = self._root.evidence(params.data("nonce", at_least=16, at_most=64))
        if evidence is None:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this bridge has no evidence of its epoch")
        return {"epoch": evidence.epoch, "parts": _parts(evidence.parts.items())}

    def _attest(self, params: Fields) -> dict[str, Json]:
        evidence = self._own_key().attest(params.data("challenge", at_least=CHALLENGE_SIZE, at_most=CHALLENGE_SIZE))
        return {
            "certificates": [encode_base64(one) for one in evidence.certificates],
            "format": evidence.format and evidence.format.value,
            "parts": _parts(evidence.parts),
        }

    def _sign(self, params: Fields) -> dict[str, Json]:
        message = params.data("message", at_least=1, at_most=MESSAGE_MAX)
        if message.startswith(CLAIM_DOMAIN):  # or anybody who may ask for signatures could write the claim
            raise ValueError("only `facts` signs a claim")
        return {"signature": encode_base64(self._own_key().sign(message))}

    def _own_key(self) -> BridgedKey:
        if self._key is None:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this bridge has no key")
        return self._key


def _parts(parts: Iterable[tuple[str, bytes]]) -> list[Json]:
    return [{"name": name, "value": encode_base64(value)} for name, value in parts]
