"""Keys of the fake. The state is the wire message itself, beside the key pairs."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from hallmark.v1 import common_pb2, keys_pb2
from hallmark_client.checksum import crc32c
from hallmark_client.testing.composite import CompositeKeyPair
from hallmark_client.testing.refusals import invalid, not_found, precondition, refusal
from hallmark_client.testing.state import State, check_id
from hallmark_composite import (
    MLDSA44_ECDSA_P256_SHA256,
    MLDSA65_ECDSA_P256_SHA512,
    MLDSA87_ECDSA_P384_SHA512,
    CompositeAlgorithm,
)

SERVICE_KEY: Final = "tenants/system/keys/revocation-events"
"""Signs revocation events and heartbeats, as in the service."""

ALGORITHMS: Final[dict[Any, CompositeAlgorithm]] = {
    common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512: MLDSA65_ECDSA_P256_SHA512,
    common_pb2.ALGORITHM_MLDSA44_ECDSA_P256_SHA256: MLDSA44_ECDSA_P256_SHA256,
    common_pb2.ALGORITHM_MLDSA87_ECDSA_P384_SHA512: MLDSA87_ECDSA_P384_SHA512,
}
"""By their numbers on the wire; the first is the default."""

_DEFAULT: Final = common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512
_MAX_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 100


class FakeKeys:
    """CreateKey, GetKey, ListKeys, GetPublicKey, RotateKey. Asserts that a key never has two active versions."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._keys: dict[str, keys_pb2.Key] = {}
        self._pairs: dict[str, CompositeKeyPair] = {}
        self._insert(SERVICE_KEY, _DEFAULT, keys_pb2.KEY_PURPOSE_SERVICE, {})

    def create(self, request: keys_pb2.CreateKeyRequest) -> keys_pb2.CreateKeyResponse:
        self._state.check_parent(request.parent)
        check_id(request.key_id, "key_id")
        algorithm = request.algorithm or _DEFAULT
        if algorithm not in ALGORITHMS:
            raise invalid("algorithm", "is not one this server knows")
        name = f"{request.parent}/keys/{request.key_id}"
        if name in self._keys:
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "KEY_EXISTS", f"{name} exists already")
        key = self._insert(name, algorithm, keys_pb2.KEY_PURPOSE_SIGN, dict(request.labels))
        return keys_pb2.CreateKeyResponse(key=key, log=self._record("key.created", key, request.log_wait))

    def get(self, request: keys_pb2.GetKeyRequest) -> keys_pb2.Key:
        name, number = self._state.read_key_name(request.name)
        if number is not None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}", "NAME_INVALID")
        return self.find(name)

    def list(self, request: keys_pb2.ListKeysRequest) -> keys_pb2.ListKeysResponse:
        self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= _MAX_PAGE:
            raise invalid("page_size", f"must be 0 to {_MAX_PAGE}")
        size = request.page_size or _DEFAULT_PAGE
        names = sorted(name for name in self._keys if name.startswith(f"{request.parent}/"))
        if request.page_token and request.page_token not in names:
            raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID")
        after = [name for name in names if name > request.page_token]
        more = after[size - 1] if len(after) > size else ""
        return keys_pb2.ListKeysResponse(keys=[self._keys[name] for name in after[:size]], next_page_token=more)

    def get_public_key(self, request: keys_pb2.GetPublicKeyRequest) -> keys_pb2.PublicKey:
        version = self.version(*self._state.read_key_name(request.name))
        pair = self._pairs[version.name]
        return keys_pb2.PublicKey(
            name=version.name,
            algorithm=self.find(version.name.partition("/versions/")[0]).algorithm,
            public_key=pair.public_key.raw,
            pem=pair.public_key.to_spki_pem(),
            public_key_crc32c=crc32c(pair.public_key.raw),
            state=version.state,
        )

    def rotate(self, request: keys_pb2.RotateKeyRequest) -> keys_pb2.RotateKeyResponse:
        key = self.get(keys_pb2.GetKeyRequest(name=request.name))
        if request.etag and request.etag != key.etag:
            sentence = f"{key.name} changed meanwhile; read it again and retry"
            raise refusal(grpc.StatusCode.ABORTED, "ETAG_MISMATCH", sentence)
        if key.HasField("revoke_time"):
            raise precondition("KEY_REVOKED", f"{key.name} was revoked; create a new key")
        for version in key.versions:
            if version.state == keys_pb2.KEY_VERSION_STATE_ACTIVE:
                version.state = keys_pb2.KEY_VERSION_STATE_DEACTIVATED
                version.deactivate_time.CopyFrom(self._now())
        self._add_version(key)
        self._touch(key)
        return keys_pb2.RotateKeyResponse(key=key, log=self._record("key.rotated", key, request.log_wait))

    def find(self, name: str) -> keys_pb2.Key:
        """The key itself, not a copy. Raises NotFound."""
        if name not in self._keys:
            raise not_found(name)
        return self._keys[name]

    def version(self, name: str, number: int | None) -> keys_pb2.KeyVersion:
        """The version of that number; the primary one, or the newest, for None. Raises NotFound."""
        key = self.find(name)
        if number is None:
            return next((each for each in key.versions if each.name == key.primary_version), key.versions[0])
        found = [version for version in key.versions if version.name == f"{name}/versions/{number}"]
        if not found:
            raise not_found(f"{name}/versions/{number}")
        return found[0]

    def pair(self, version_name: str) -> CompositeKeyPair:
        return self._pairs[version_name]

    def revoke(self, subject: str, *, compromised: bool, effective_time: datetime) -> None:
        """Take a key or one version out of use. Raises NotFound."""
        name, number = self._state.read_key_name(subject)
        key = self.find(name)
        versions = list(key.versions) if number is None else [self.version(name, number)]
        state = keys_pb2.KEY_VERSION_STATE_COMPROMISED if compromised else keys_pb2.KEY_VERSION_STATE_DEACTIVATED
        for version in versions:
            if version.state != keys_pb2.KEY_VERSION_STATE_COMPROMISED:
                version.state = state
            if not version.HasField("deactivate_time"):
                version.deactivate_time.CopyFrom(self._now())
            _set_earlier(version.revoke_time, effective_time, known=version.HasField("revoke_time"))
        if key.primary_version in {version.name for version in versions}:
            key.primary_version = ""
        if number is None:
            _set_earlier(key.revoke_time, effective_time, known=key.HasField("revoke_time"))
        self._touch(key)

    def _insert(self, name: str, algorithm: Any, purpose: Any, labels: dict[str, str]) -> keys_pb2.Key:
        now = self._now()
        key = keys_pb2.Key(
            name=name, purpose=purpose, algorithm=algorithm, labels=labels, create_time=now, update_time=now
        )
        self._keys[name] = key
        self._add_version(key)
        self._touch(key)
        return key

    def _add_version(self, key: keys_pb2.Key) -> None:
        name = f"{key.name}/versions/{len(key.versions) + 1}"
        pair = CompositeKeyPair.generate(ALGORITHMS[key.algorithm])
        halves = (pair.algorithm.ml_dsa.value, f"ECDSA-{pair.algorithm.curve.value.replace('-', '')}")
        software = common_pb2.PROTECTION_LEVEL_SOFTWARE
        version = keys_pb2.KeyVersion(
            name=name,
            state=keys_pb2.KEY_VERSION_STATE_ACTIVE,
            protection_level=software,
            components=[keys_pb2.KeyComponent(algorithm=half, protection_level=software) for half in halves],
            create_time=self._now(),
            public_key_sha256=pair.public_key.fingerprint().hex(),
        )
        self._pairs[name] = pair
        newest_first = [version, *key.versions]
        del key.versions[:]
        key.versions.extend(newest_first)
        key.primary_version = name

    def _touch(self, key: keys_pb2.Key) -> None:
        _assert_one_active(key.versions)
        key.update_time.CopyFrom(self._now())
        key.etag = hashlib.sha256(key.etag.encode() + key.name.encode()).hexdigest()[:16]

    def _record(self, kind: str, key: keys_pb2.Key, wait: int) -> common_pb2.LogPromise:
        newest = key.versions[0]
        return self._state.record(kind, newest.name, {"public_key_sha256": newest.public_key_sha256}, wait=wait)

    def _now(self) -> Timestamp:
        stamp = Timestamp()
        stamp.FromDatetime(self._state.now())
        return stamp


def _assert_one_active(versions: Iterable[keys_pb2.KeyVersion]) -> None:
    active = [version.name for version in versions if version.state == keys_pb2.KEY_VERSION_STATE_ACTIVE]
    assert len(active) <= 1, f"two versions are active: {active}"


def _set_earlier(stamp: Timestamp, moment: datetime, *, known: bool) -> None:
    """A later revocation never moves the time back into the future."""
    if not known or moment < stamp.ToDatetime(tzinfo=UTC):
        stamp.FromDatetime(moment)
