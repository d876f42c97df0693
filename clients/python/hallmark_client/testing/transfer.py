"""Imports and exports of the fake: real HPKE, real PKCS#8, a really signed wrapping key."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm

from hallmark.v1 import approvals_pb2, common_pb2, keys_pb2
from hallmark_client.checksum import crc32c
from hallmark_client.model.enums import Algorithm, KeyPurpose
from hallmark_client.model.transfer import WRAPPING_CONTEXT, Recipient, transfer_algorithm
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.composite import CompositeKeyPair
from hallmark_client.testing.key_rules import ACTIVE, DEACTIVATED, PRE_ACTIVE, SUSPENDED, stamp
from hallmark_client.testing.key_secrets import EnvelopeSecret, Secret
from hallmark_client.testing.keys import ALGORITHMS, ENVELOPE_SERVICE_KEY, KEMS, WRAPPING_KEY, FakeKeys, kind_of
from hallmark_client.testing.refusals import invalid, precondition
from hallmark_client.testing.state import State, check_id
from hallmark_client.wire.scalars import member_of
from hallmark_composite import prehash
from hallmark_envelope import EnvelopeError, export_info, exported_name, import_info, seal_envelope

_LIFETIME: Final = timedelta(days=30)
_MAY_GO: Final = {PRE_ACTIVE, ACTIVE, SUSPENDED, DEACTIVATED}


class FakeTransfer:
    """GetWrappingKey, ImportKey, ExportKey. Takes what a FakeKeys can make: composites and HPKE keys."""

    def __init__(self, state: State, keys: FakeKeys, approvals: FakeApprovals) -> None:
        self._state = state
        self._keys = keys
        self._approvals = approvals

    def get_wrapping_key(self, request: keys_pb2.GetWrappingKeyRequest) -> keys_pb2.WrappingKey:
        self._state.check_parent(request.parent)
        version = self._keys.version(WRAPPING_KEY, None)
        public_key, now = self._keys.opener(version.name).public_key, self._state.now()
        key = keys_pb2.WrappingKey(
            name=version.name,
            algorithm=self._keys.find(WRAPPING_KEY).algorithm,
            public_key=public_key,
            public_key_crc32c=crc32c(public_key),
            not_after=stamp(now + _LIFETIME),
            creation_event_key=version.creation_event_key,
        )
        key.payload = _payload(key)
        signer = self._keys.version(ENVELOPE_SERVICE_KEY, None).name
        pair = self._keys.pair(signer)
        signature = pair.sign(prehash(pair.algorithm, key.payload), WRAPPING_CONTEXT.encode())
        key.signature.CopyFrom(
            common_pb2.ServiceSignature(
                key_version=signer, signature=signature, context=WRAPPING_CONTEXT, sign_time=stamp(now)
            )
        )
        return key

    def import_key(self, request: keys_pb2.ImportKeyRequest) -> keys_pb2.ImportKeyResponse:
        self._state.check_parent(request.parent)
        check_id(request.key_id, "key_id")
        if not request.algorithm:
            raise invalid("algorithm", "is required")
        algorithm, purpose = kind_of(request)
        name = f"{request.parent}/keys/{request.key_id}"
        self._keys.check_new(name)
        secret = _read(algorithm, self._open(request, algorithm, f"{name}/versions/1"))
        if _public_key(secret) != request.public_key:
            raise invalid("public_key", "is not that of the private key in the envelope", "IMPORT_REFUSED")
        key = self._keys.insert_imported(name, algorithm, purpose, request, secret)
        return keys_pb2.ImportKeyResponse(key=key, log=self._keys.record("key.imported", key, request.log_wait))

    def export_key(self, request: keys_pb2.ExportKeyRequest) -> keys_pb2.ExportKeyResponse:
        name, number = self._state.read_key_name(request.name)
        if number is None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}/versions/{number}", "NAME_INVALID")
        key, version = self._keys.find(name), self._keys.version(name, number)
        recipient = Recipient(
            algorithm=member_of(Algorithm, request.recipient.algorithm), public_key=request.recipient.public_key
        )
        if key.export_policy != keys_pb2.EXPORT_POLICY_WRAPPED or not version.exportable:
            raise precondition("EXPORT_FORBIDDEN", f"{version.name} was made to stay")
        if version.state not in _MAY_GO or version.HasField("revoke_time"):
            raise precondition("KEY_VERSION_NOT_ACTIVE", f"{version.name} is not exported any more")
        if request.recipient.algorithm not in KEMS or len(recipient.public_key) != recipient.kem.public_key_size:
            raise invalid("recipient", "is no HPKE public key")
        act = approvals_pb2.PROPOSED_ACT_EXPORT
        self._approvals.consume(request.proposal, act, version.name, recipient.sha256)
        travels_as = exported_name(version.name, member_of(KeyPurpose, key.purpose).value)
        info = export_info(algorithm=transfer_algorithm(member_of(Algorithm, key.algorithm)), key_name=travels_as)
        secret = self._keys.secret(version.name)
        envelope = seal_envelope(recipient.public_key, recipient.kem, _write(secret), info=info)
        details = {"envelope_sha256": hashlib.sha256(envelope).hexdigest(), "proposal": request.proposal}
        return keys_pb2.ExportKeyResponse(
            name=version.name,
            algorithm=key.algorithm,
            purpose=key.purpose,
            public_key=_public_key(secret),
            envelope=envelope,
            envelope_crc32c=crc32c(envelope),
            log=self._state.record("key.exported", version.name, details, wait=request.log_wait),
        )

    def _open(self, request: keys_pb2.ImportKeyRequest, algorithm: Any, version: str) -> bytes:
        name, number = self._state.read_key_name(request.wrapping_key)
        if name != WRAPPING_KEY or number is None or number > len(self._keys.find(name).versions):
            raise invalid("wrapping_key", "is not a key that this service imports with", "IMPORT_REFUSED")
        travels = transfer_algorithm(member_of(Algorithm, algorithm))
        if request.exported_as:
            sender, _ = self._state.read_key_name(request.exported_as)
            if sender.split("/")[1] != version.split("/")[1]:
                raise invalid("exported_as", "is of another tenant", "IMPORT_REFUSED")
            purpose = member_of(KeyPurpose, request.purpose or keys_pb2.KEY_PURPOSE_SIGN)
            info = export_info(algorithm=travels, key_name=exported_name(request.exported_as, purpose.value))
        else:
            info = import_info(algorithm=travels, key_name=version)
        try:
            return self._keys.opener(request.wrapping_key).open(request.envelope, info=info)
        except EnvelopeError:
            raise invalid("envelope", "does not open with this key and this info", "ENVELOPE_INVALID") from None


def _read(algorithm: Any, private_key: bytes) -> Secret:
    try:
        if algorithm in KEMS:
            return EnvelopeSecret.from_seed(KEMS[algorithm], private_key)
        return CompositeKeyPair.from_private_bytes(ALGORITHMS[algorithm], private_key)
    except (ValueError, TypeError, UnsupportedAlgorithm, EnvelopeError):
        raise invalid("envelope", "holds no private key of this algorithm", "IMPORT_REFUSED") from None


def _public_key(secret: Secret) -> bytes:
    return secret.public_key if isinstance(secret, EnvelopeSecret) else secret.public_key.raw


def _write(secret: Secret) -> bytes:
    return secret.seed if isinstance(secret, EnvelopeSecret) else secret.to_private_bytes()


def _payload(key: keys_pb2.WrappingKey) -> bytes:
    content = {
        "v": 1,
        "name": key.name,
        "algorithm": member_of(Algorithm, key.algorithm).value,
        "public_key": base64.b64encode(key.public_key).decode(),
        "public_key_crc32c": key.public_key_crc32c,
        "not_after": key.not_after.ToDatetime().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "creation_event_key": key.creation_event_key,
    }
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
