"""Envelopes of the fake: real HPKE, really signed envelope keys."""

import base64
import hashlib
import json
from datetime import datetime, timedelta
from typing import Final

from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import approvals_pb2, common_pb2, envelopes_pb2, keys_pb2
from hallmark_client.checksum import crc32c
from hallmark_client.errors import HallmarkError
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.envelopes import ENVELOPE_KEY_CONTEXT
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.gates import FakeGates
from hallmark_client.testing.keys import ENVELOPE_SERVICE_KEY, FakeKeys
from hallmark_client.testing.refusals import invalid, not_found, precondition, refusal_to_status
from hallmark_client.testing.state import State
from hallmark_client.wire.scalars import member_of
from hallmark_composite import prehash
from hallmark_envelope import AEAD_ID, KDF_ID, MAX_ENVELOPE_SIZE, MAX_INFO_SIZE, EnvelopeInvalid, seal_envelope

_LIFETIME: Final = timedelta(days=1)
_BATCH_MAX: Final = 256
_OPENS: Final = frozenset(
    {
        keys_pb2.KEY_VERSION_STATE_ACTIVE,
        keys_pb2.KEY_VERSION_STATE_DEACTIVATED,
        keys_pb2.KEY_VERSION_STATE_COMPROMISED,
    }
)


class FakeEnvelopes:
    """The EnvelopeService."""

    def __init__(self, state: State, keys: FakeKeys, approvals: FakeApprovals, gates: FakeGates) -> None:
        self._state = state
        self._gates = gates
        self._keys = keys
        self._approvals = approvals
        self._openings: dict[str, tuple[bytes, common_pb2.LogPromise]] = {}
        """By request_id, of batches: what was asked, and where it was logged."""

    def get_key(self, request: envelopes_pb2.GetEnvelopeKeyRequest) -> envelopes_pb2.EnvelopeKey:
        version = self._sealing_version(request.name)
        opener = self._keys.opener(version.name)
        now = self._state.now()
        key = envelopes_pb2.EnvelopeKey(
            name=version.name,
            algorithm=self._keys.find(version.name.partition("/versions/")[0]).algorithm,
            kem_id=int(opener.kem),
            kdf_id=KDF_ID,
            aead_id=AEAD_ID,
            public_key=opener.public_key,
            public_key_crc32c=crc32c(opener.public_key),
            not_after=_stamp(now + _LIFETIME),
        )
        key.payload = _payload(key)
        signer = self._keys.version(ENVELOPE_SERVICE_KEY, None).name
        pair = self._keys.pair(signer)
        signature = pair.sign(prehash(pair.algorithm, key.payload), ENVELOPE_KEY_CONTEXT.encode())
        key.signature.CopyFrom(
            common_pb2.ServiceSignature(
                key_version=signer, signature=signature, context=ENVELOPE_KEY_CONTEXT, sign_time=_stamp(now)
            )
        )
        return key

    def open(self, request: envelopes_pb2.OpenEnvelopeRequest) -> envelopes_pb2.OpenEnvelopeResponse:
        plaintext, vouched = self._open(request)
        details = {"envelope_sha256": hashlib.sha256(request.envelope).hexdigest(), **vouched}
        return envelopes_pb2.OpenEnvelopeResponse(
            plaintext=plaintext,
            plaintext_crc32c=crc32c(plaintext),
            log=self._state.record("envelope.opened", request.name, details, wait=request.log_wait),
        )

    def open_many(self, request: envelopes_pb2.OpenEnvelopesRequest) -> envelopes_pb2.OpenEnvelopesResponse:
        self._state.check_parent(request.parent)
        if not 1 <= len(request.requests) <= _BATCH_MAX:
            raise invalid("requests", f"must have 1 to {_BATCH_MAX} envelopes", "BATCH_TOO_LARGE")
        return envelopes_pb2.OpenEnvelopesResponse(results=[self._result(each) for each in request.requests])

    def generate_data_key(self, request: envelopes_pb2.GenerateDataKeyRequest) -> envelopes_pb2.GenerateDataKeyResponse:
        version = self._sealing_version(request.name)
        vouched = self._gates.check(self._keys.find(version.name.partition("/versions/")[0]), request.device)
        _check_info(request.info)
        opener = self._keys.opener(version.name)
        plaintext = self._state.random_bytes(32)
        envelope = seal_envelope(opener.public_key, opener.kem, plaintext, info=request.info)
        details = {"envelope_sha256": hashlib.sha256(envelope).hexdigest(), **vouched}
        return envelopes_pb2.GenerateDataKeyResponse(
            plaintext=plaintext,
            envelope=envelope,
            key_version=version.name,
            log=self._state.record("data-key.generated", version.name, details, wait=0),
        )

    def shred(self, request: envelopes_pb2.ShredEpochRequest) -> envelopes_pb2.ShredEpochResponse:
        version = self._version(request.name)
        if version.state in {keys_pb2.KEY_VERSION_STATE_ACTIVE, keys_pb2.KEY_VERSION_STATE_DESTROYED}:
            sentence = f"{version.name} is sealed to, or is gone already; rotate the key first"
            raise precondition("STATE_TRANSITION_INVALID", sentence)
        self._approvals.consume(request.proposal, approvals_pb2.PROPOSED_ACT_SHRED, version.name)
        self._keys.destroy(version)
        log = self._state.record("epoch.shredded", version.name, {}, wait=request.log_wait)
        return envelopes_pb2.ShredEpochResponse(shred_time=_stamp(self._state.now()), log=log)

    def _result(self, request: envelopes_pb2.OpenEnvelopeRequest) -> envelopes_pb2.OpenEnvelopesResponse.Result:
        body = request.SerializeToString(deterministic=True)
        known = self._openings.get(request.request_id)
        try:
            if known is not None and known[0] == body:
                plaintext, _ = self._open(request)
                answer = envelopes_pb2.OpenEnvelopeResponse(
                    plaintext=plaintext, plaintext_crc32c=crc32c(plaintext), log=known[1]
                )
            else:
                answer = self.open(request)
                self._openings[request.request_id] = body, answer.log
        except HallmarkError as error:
            return envelopes_pb2.OpenEnvelopesResponse.Result(error=refusal_to_status(error))
        return envelopes_pb2.OpenEnvelopesResponse.Result(response=answer)

    def _open(self, request: envelopes_pb2.OpenEnvelopeRequest) -> tuple[bytes, dict[str, str]]:
        """The plaintext, and what the log says of the key's gate."""
        version = self._version(request.name)
        vouched = self._gates.check(self._keys.find(version.name.partition("/versions/")[0]), request.device)
        _check_info(request.info)
        if len(request.envelope) > MAX_ENVELOPE_SIZE:
            raise invalid("envelope", f"may have {MAX_ENVELOPE_SIZE} bytes", "MESSAGE_TOO_LARGE")
        assert request.HasField("envelope_crc32c"), "a call without envelope_crc32c"
        if crc32c(request.envelope) != request.envelope_crc32c:
            raise invalid("envelope_crc32c", "does not match the bytes that arrived", "CHECKSUM_MISMATCH")
        if version.state not in _OPENS:
            raise precondition("KEY_VERSION_NOT_ACTIVE", f"{version.name} opens nothing")
        try:
            return self._keys.opener(version.name).open(request.envelope, info=request.info), vouched
        except EnvelopeInvalid:
            raise invalid("envelope", "does not open with this version and this info", "ENVELOPE_INVALID") from None

    def _version(self, given: str) -> keys_pb2.KeyVersion:
        name, number = self._state.read_key_name(given)
        if number is None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}/versions/{number}", "NAME_INVALID")
        self._check_purpose(name)
        return self._keys.version(name, number)

    def _sealing_version(self, given: str) -> keys_pb2.KeyVersion:
        name, number = self._state.read_key_name(given)
        self._check_purpose(name)
        key, version = self._keys.find(name), self._keys.version(name, number)
        if key.HasField("revoke_time"):
            raise precondition("KEY_REVOKED", f"{name} was revoked; create a new key")
        if version.state != keys_pb2.KEY_VERSION_STATE_ACTIVE:
            raise precondition("KEY_VERSION_NOT_ACTIVE", f"{version.name} is not sealed to; use {name}")
        return version

    def _check_purpose(self, name: str) -> None:
        key = self._keys.find(name)
        if key.purpose == keys_pb2.KEY_PURPOSE_SERVICE:
            raise not_found(name)
        if key.purpose != keys_pb2.KEY_PURPOSE_ENVELOPE:
            raise precondition("PURPOSE_MISMATCH", f"{name} opens nothing")


def _check_info(info: bytes) -> None:
    if len(info) > MAX_INFO_SIZE:
        raise invalid("info", f"may have {MAX_INFO_SIZE} bytes")


def _payload(key: envelopes_pb2.EnvelopeKey) -> bytes:
    statement = {
        "v": 1,
        "name": key.name,
        "algorithm": member_of(Algorithm, key.algorithm).value,
        "kem_id": key.kem_id,
        "kdf_id": key.kdf_id,
        "aead_id": key.aead_id,
        "public_key": base64.b64encode(key.public_key).decode(),
        "public_key_crc32c": key.public_key_crc32c,
        "not_after": key.not_after.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    return json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp
