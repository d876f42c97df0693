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
from hallmark_client.testing.key_rules import KeyRules, activate, plan_rotation, set_primary, stamp
from hallmark_client.testing.key_secrets import EnvelopeSecret, Secret
from hallmark_client.testing.key_settings import settings_of
from hallmark_client.testing.refusals import invalid, not_found, refusal
from hallmark_client.testing.state import State, check_id
from hallmark_composite import (
    MLDSA44_ECDSA_P256_SHA256,
    MLDSA65_ECDSA_P256_SHA512,
    MLDSA87_ECDSA_P384_SHA512,
    CompositeAlgorithm,
)
from hallmark_envelope import SEED_SIZE, EnvelopePrivateKey, HpkeKem

SERVICE_KEY: Final = "tenants/system/keys/revocation-events"
"""Signs revocation events and heartbeats, as in the service."""
ENVELOPE_SERVICE_KEY: Final = "tenants/system/keys/envelope-keys"
"""Signs which key to seal to."""
TRUST_SERVICE_KEY: Final = "tenants/system/keys/trust-bundle"
"""Signs trust bundles."""
POLICY_SERVICE_KEY: Final = "tenants/system/keys/appraisal-policy"
"""Signs appraisal policies."""
WRAPPING_KEY: Final = "tenants/system/keys/import"
"""Private keys on their way in are sealed to it."""
RESULTS_SERVICE_KEY: Final = "tenants/system/keys/attestation-results"
"""Signs attestation results."""
SYSTEM: Final = "tenants/system"
SERVICE_KEYS: Final = (SERVICE_KEY, ENVELOPE_SERVICE_KEY, TRUST_SERVICE_KEY, POLICY_SERVICE_KEY, RESULTS_SERVICE_KEY)

ALGORITHMS: Final[dict[Any, CompositeAlgorithm]] = {
    common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512: MLDSA65_ECDSA_P256_SHA512,
    common_pb2.ALGORITHM_MLDSA44_ECDSA_P256_SHA256: MLDSA44_ECDSA_P256_SHA256,
    common_pb2.ALGORITHM_MLDSA87_ECDSA_P384_SHA512: MLDSA87_ECDSA_P384_SHA512,
}
"""By their numbers on the wire; the first is the default."""

KEMS: Final[dict[Any, HpkeKem]] = {
    common_pb2.ALGORITHM_HPKE_MLKEM768_X25519: HpkeKem.MLKEM768_X25519,
    common_pb2.ALGORITHM_HPKE_MLKEM1024_P384: HpkeKem.MLKEM1024_P384,
}
"""Of keys that open envelopes."""

_DEFAULT: Final = common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512
_MAKES_A_VERSION: Final = {"key.created", "key.imported", "key.rotated"}
_MAX_PAGE: Final = 1000
_DEFAULT_PAGE: Final = 100


class FakeKeys:
    """CreateKey, GetKey, ListKeys, GetPublicKey, and the state that the other parts change.

    Asserts that a key never has two active versions. What is due is done when a key is looked at.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._keys: dict[str, keys_pb2.Key] = {}
        self._secrets: dict[str, Secret] = {}
        self.aliases: dict[str, keys_pb2.Alias] = {}
        self.rules = KeyRules()
        settings = settings_of(keys_pb2.Key())
        for service_key in SERVICE_KEYS:
            self._insert(service_key, _DEFAULT, keys_pb2.KEY_PURPOSE_SERVICE, settings)
        wrapping = common_pb2.ALGORITHM_HPKE_MLKEM1024_P384
        self._insert(WRAPPING_KEY, wrapping, keys_pb2.KEY_PURPOSE_IMPORT, settings)

    def create(self, request: keys_pb2.CreateKeyRequest) -> keys_pb2.CreateKeyResponse:
        self._state.check_parent(request.parent)
        check_id(request.key_id, "key_id")
        algorithm, purpose = kind_of(request)
        name = f"{request.parent}/keys/{request.key_id}"
        self.check_new(name)
        settings = settings_of(request)
        settings.labels.update(request.labels)
        key = self._insert(name, algorithm, purpose, settings)
        return keys_pb2.CreateKeyResponse(key=key, log=self.record("key.created", key, request.log_wait))

    def get(self, request: keys_pb2.GetKeyRequest) -> keys_pb2.Key:
        name, number = self._state.read_key_name(request.name)
        if number is not None:
            raise invalid("name", "must look like tenants/{tenant}/keys/{key}", "NAME_INVALID")
        return self.find(name)

    def list(self, request: keys_pb2.ListKeysRequest) -> keys_pb2.ListKeysResponse:
        if request.parent != SYSTEM:
            self._state.check_parent(request.parent)
        if not 0 <= request.page_size <= _MAX_PAGE:
            raise invalid("page_size", f"must be 0 to {_MAX_PAGE}")
        size = request.page_size or _DEFAULT_PAGE
        names = sorted(name for name in self._keys if name.startswith(f"{request.parent}/"))
        if request.page_token and request.page_token not in names:
            raise invalid("page_token", "is not one of ours", "PAGE_TOKEN_INVALID")
        after = [name for name in names if name > request.page_token]
        more = after[size - 1] if len(after) > size else ""
        return keys_pb2.ListKeysResponse(keys=[self.find(name) for name in after[:size]], next_page_token=more)

    def get_public_key(self, request: keys_pb2.GetPublicKeyRequest) -> keys_pb2.PublicKey:
        version = self.version(*self.reference(request.name))
        spki, raw = self.public_forms(version.name)
        return keys_pb2.PublicKey(
            name=version.name,
            algorithm=self.find(version.name.partition("/versions/")[0]).algorithm,
            public_key=raw,
            pem=self.pair(version.name).public_key.to_spki_pem() if spki else "",
            public_key_crc32c=crc32c(raw),
            state=version.state,
        )

    def find(self, name: str) -> keys_pb2.Key:
        """The key itself, not a copy. Raises NotFound."""
        if name not in self._keys:
            raise not_found(name)
        key = self._keys[name]
        if self.rules.pass_time(key, self._state.now()):
            self.touch(key)
        return key

    def reference(self, given: str) -> tuple[str, int | None]:
        """Key and version number from the name of a key, a version or an alias. Raises NotFound."""
        if "/aliases/" not in given:
            return self._state.read_key_name(given)
        self._state.read_alias_name(given)
        if given not in self.aliases:
            raise refusal(grpc.StatusCode.NOT_FOUND, "ALIAS_NOT_FOUND", f"{given} was not found")
        return self.aliases[given].key, None

    def point_alias(self, name: str, alias: keys_pb2.Alias | None) -> None:
        """None deletes it."""
        self.aliases.pop(name, None)
        if alias is not None:
            self.aliases[name] = alias
        for key in self._keys.values():
            del key.aliases[:]
            key.aliases.extend(sorted(each for each, target in self.aliases.items() if target.key == key.name))

    def all_keys(self) -> Iterable[keys_pb2.Key]:
        """By name, the service's own too."""
        return map(self.find, sorted(self._keys))

    def public_forms(self, version_name: str) -> tuple[bytes, bytes]:
        """SubjectPublicKeyInfo in DER (empty for HPKE), and the raw key."""
        secret = self._secrets[version_name]
        if isinstance(secret, EnvelopeSecret):
            return b"", secret.public_key
        return secret.public_key.to_spki_der(), secret.public_key.raw

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
        secret = self._secrets[version_name]
        assert isinstance(secret, CompositeKeyPair), f"{version_name} signs nothing"
        return secret

    def opener(self, version_name: str) -> EnvelopePrivateKey:
        secret = self._secrets[version_name]
        assert isinstance(secret, EnvelopeSecret), f"{version_name} opens nothing"
        return secret.key

    def secret(self, version_name: str) -> Secret:
        return self._secrets[version_name]

    def check_new(self, name: str) -> None:
        """Raises AlreadyExists."""
        if name in self._keys:
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "KEY_EXISTS", f"{name} exists already")

    def destroy(self, version: keys_pb2.KeyVersion) -> None:
        """The private half is gone; the public half stays."""
        version.state = keys_pb2.KEY_VERSION_STATE_DESTROYED
        version.destroy_time.CopyFrom(stamp(self._state.now()))
        self.touch(self.find(version.name.partition("/versions/")[0]))

    def revoke(self, subject: str, *, compromised: bool, effective_time: datetime) -> None:
        """Take a key or one version out of use. Raises NotFound."""
        name, number = self._state.read_key_name(subject)
        key = self.find(name)
        versions = list(key.versions) if number is None else [self.version(name, number)]
        for version in versions:
            self.rules.revoke(version, compromised=compromised, effective=effective_time, now=self._state.now())
        set_primary(key)
        if number is None:
            _set_earlier(key.revoke_time, effective_time, known=key.HasField("revoke_time"))
        self.touch(key)

    def add_version(self, key: keys_pb2.Key, begin: datetime, imported: Secret | None = None) -> keys_pb2.KeyVersion:
        """A version that waits; the newest. With a fresh key pair, or with one that was made elsewhere."""
        name = f"{key.name}/versions/{len(key.versions) + 1}"
        self._secrets[name] = secret = imported or self._generate(key.algorithm)
        halves, fingerprint = _facts(secret)
        software = common_pb2.PROTECTION_LEVEL_SOFTWARE
        if imported is not None:
            software = common_pb2.PROTECTION_LEVEL_IMPORTED
        version = keys_pb2.KeyVersion(
            name=name,
            state=keys_pb2.KEY_VERSION_STATE_PRE_ACTIVE,
            protection_level=software,
            components=[keys_pb2.KeyComponent(algorithm=half, protection_level=software) for half in halves],
            create_time=stamp(self._state.now()),
            activate_time=stamp(begin),
            public_key_sha256=fingerprint.hex(),
            origin=keys_pb2.KEY_ORIGIN_GENERATED if imported is None else keys_pb2.KEY_ORIGIN_IMPORTED,
            exportable=key.export_policy == keys_pb2.EXPORT_POLICY_WRAPPED,
        )
        newest_first = [version, *key.versions]
        del key.versions[:]
        key.versions.extend(newest_first)
        return key.versions[0]

    def insert_imported(
        self, name: str, algorithm: Any, purpose: Any, request: keys_pb2.ImportKeyRequest, secret: Secret
    ) -> keys_pb2.Key:
        settings = settings_of(request)
        settings.labels.update(request.labels)
        return self._insert(name, algorithm, purpose, settings, secret)

    def _insert(
        self, name: str, algorithm: Any, purpose: Any, settings: keys_pb2.Key, imported: Secret | None = None
    ) -> keys_pb2.Key:
        now = self._state.now()
        key = keys_pb2.Key(
            name=name, purpose=purpose, algorithm=algorithm, create_time=stamp(now), update_time=stamp(now)
        )
        key.MergeFrom(settings)
        self._keys[name] = key
        activate(key, self.add_version(key, now, imported), now)
        plan_rotation(key, now)
        self.touch(key)
        return key

    def _generate(self, algorithm: Any) -> Secret:
        if algorithm in KEMS:
            return EnvelopeSecret.from_seed(KEMS[algorithm], self._state.random_bytes(SEED_SIZE))
        return CompositeKeyPair.generate(ALGORITHMS[algorithm])

    def touch(self, key: keys_pb2.Key) -> None:
        _assert_one_active(key.versions)
        key.update_time.CopyFrom(stamp(self._state.now()))
        key.etag = hashlib.sha256(key.etag.encode() + key.name.encode()).hexdigest()[:16]

    def record(self, kind: str, key: keys_pb2.Key, wait: int) -> common_pb2.LogPromise:
        newest = key.versions[0]
        promise = self._state.record(kind, newest.name, {"public_key_sha256": newest.public_key_sha256}, wait=wait)
        if kind in _MAKES_A_VERSION:
            newest.creation_event_key = promise.event_key
        return promise


def _facts(secret: Secret) -> tuple[tuple[str, ...], bytes]:
    """What a key pair consists of, and the SHA-256 of its public key."""
    if isinstance(secret, EnvelopeSecret):
        return (f"HPKE-{secret.key.kem.standard_name}",), hashlib.sha256(secret.public_key).digest()
    halves = (secret.algorithm.ml_dsa.value, f"ECDSA-{secret.algorithm.curve.value.replace('-', '')}")
    return halves, secret.public_key.fingerprint()


def kind_of(request: keys_pb2.CreateKeyRequest | keys_pb2.ImportKeyRequest) -> tuple[Any, Any]:
    """Algorithm and purpose of a new key. Raises InvalidArgument."""
    purpose: Any = request.purpose
    if not purpose:
        purpose = keys_pb2.KEY_PURPOSE_ENVELOPE if request.algorithm in KEMS else keys_pb2.KEY_PURPOSE_SIGN
    opens = purpose == keys_pb2.KEY_PURPOSE_ENVELOPE
    algorithm: Any = request.algorithm or (common_pb2.ALGORITHM_HPKE_MLKEM768_X25519 if opens else _DEFAULT)
    if algorithm not in ALGORITHMS and algorithm not in KEMS:
        raise invalid("algorithm", "is not one this server knows")
    if opens != (algorithm in KEMS):
        raise invalid("algorithm", "is not for this purpose", "PURPOSE_MISMATCH")
    return algorithm, purpose


def _assert_one_active(versions: Iterable[keys_pb2.KeyVersion]) -> None:
    active = [version.name for version in versions if version.state == keys_pb2.KEY_VERSION_STATE_ACTIVE]
    assert len(active) <= 1, f"two versions are active: {active}"


def _set_earlier(stamp: Timestamp, moment: datetime, *, known: bool) -> None:
    """A later revocation never moves the time back into the future."""
    if not known or moment < stamp.ToDatetime(tzinfo=UTC):
        stamp.FromDatetime(moment)
