"""Keys on the wire: model <-> protobuf."""

from collections.abc import Iterable

from google.protobuf import timestamp_pb2
from google.protobuf.internal import containers

from hallmark.v1 import common_pb2, keys_pb2
from hallmark_composite import (
    DEFAULT_ALGORITHM,
    MLDSA44_ECDSA_P256_SHA256,
    MLDSA65_ECDSA_P256_SHA512,
    MLDSA87_ECDSA_P384_SHA512,
    CompositeAlgorithm,
)
from hsm.material import ProtectionLevel
from kms.core.checksum import check_crc32c, crc32c
from kms.core.errors import InvalidArgument, Reason
from kms.keys.model import (
    CONTEXT_BYTES_MAX,
    LABELS_MAX,
    MESSAGE_BYTES_MAX,
    Key,
    KeyPurpose,
    KeyVersion,
    KeyVersionState,
    ServiceSignature,
)
from kms.keys.signing import SignInput

ALGORITHMS: dict[common_pb2.Algorithm, CompositeAlgorithm] = {
    common_pb2.ALGORITHM_MLDSA65_ECDSA_P256_SHA512: MLDSA65_ECDSA_P256_SHA512,
    common_pb2.ALGORITHM_MLDSA44_ECDSA_P256_SHA256: MLDSA44_ECDSA_P256_SHA256,
    common_pb2.ALGORITHM_MLDSA87_ECDSA_P384_SHA512: MLDSA87_ECDSA_P384_SHA512,
}
_ALGORITHM_NUMBERS: dict[str, common_pb2.Algorithm] = {
    algorithm.name: number for number, algorithm in ALGORITHMS.items()
}
_PURPOSES = {KeyPurpose.SIGN: keys_pb2.KEY_PURPOSE_SIGN, KeyPurpose.SERVICE: keys_pb2.KEY_PURPOSE_SERVICE}
_STATES = {
    KeyVersionState.ACTIVE: keys_pb2.KEY_VERSION_STATE_ACTIVE,
    KeyVersionState.DEACTIVATED: keys_pb2.KEY_VERSION_STATE_DEACTIVATED,
    KeyVersionState.COMPROMISED: keys_pb2.KEY_VERSION_STATE_COMPROMISED,
}
_PROTECTION = {
    ProtectionLevel.HSM: common_pb2.PROTECTION_LEVEL_HSM,
    ProtectionLevel.HSM_WRAPPED: common_pb2.PROTECTION_LEVEL_HSM_WRAPPED,
}


def algorithm_from_wire(number: common_pb2.Algorithm) -> CompositeAlgorithm:
    if number == common_pb2.ALGORITHM_UNSPECIFIED:
        return DEFAULT_ALGORITHM
    if number not in ALGORITHMS:
        raise InvalidArgument(Reason.FIELD_INVALID, "algorithm is not one this server knows", field="algorithm")
    return ALGORITHMS[number]


def algorithm_to_wire(name: str) -> common_pb2.Algorithm:
    return _ALGORITHM_NUMBERS[name]


def labels_from_wire(labels: "containers.ScalarMap[str, str]") -> dict[str, str]:
    if len(labels) > LABELS_MAX or any(not 1 <= len(k) <= 63 or len(v) > 255 for k, v in labels.items()):
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"labels: at most {LABELS_MAX}, keys of 1 to 63 and values of up to 255 characters",
            field="labels",
        )
    return dict(labels)


def input_from_wire(request: keys_pb2.SignRequest | keys_pb2.VerifyRequest) -> SignInput:
    """Checks presence, sizes and checksum."""
    kind = request.WhichOneof("input")
    if kind is None:
        raise InvalidArgument(Reason.FIELD_INVALID, "give data or digest", field="input")
    given = request.data if kind == "data" else request.digest
    if len(given) > MESSAGE_BYTES_MAX:
        raise InvalidArgument(
            Reason.MESSAGE_TOO_LARGE,
            f"data may have {MESSAGE_BYTES_MAX} bytes; hash a larger message yourself and send digest",
            field=kind,
        )
    if len(request.context) > CONTEXT_BYTES_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"context may have {CONTEXT_BYTES_MAX} bytes", field="context")
    if request.HasField("input_crc32c"):
        check_crc32c(given, request.input_crc32c, "input_crc32c")
    return SignInput(
        data=given if kind == "data" else None, digest=given if kind == "digest" else None, context=request.context
    )


def key_to_wire(key: Key) -> keys_pb2.Key:
    message = keys_pb2.Key(
        name=str(key.name),
        purpose=_PURPOSES[key.purpose],
        algorithm=algorithm_to_wire(key.algorithm.name),
        primary_version="" if key.primary is None else f"{key.name}/versions/{key.primary}",
        labels=dict(key.labels),
        etag=key.etag,
        versions=_versions_to_wire(key.versions),
        create_time=key.create_time,
        update_time=key.update_time,
    )
    if key.revoke_time is not None:
        message.revoke_time.FromDatetime(key.revoke_time)
    return message


def _versions_to_wire(versions: Iterable[KeyVersion]) -> list[keys_pb2.KeyVersion]:
    return [_version_to_wire(version) for version in versions]


def _version_to_wire(version: KeyVersion) -> keys_pb2.KeyVersion:
    material = version.material
    halves = (
        (material.algorithm.ml_dsa.value, material.post_quantum_protection),
        (f"ECDSA-{material.algorithm.curve.value.replace('-', '')}", material.classical_protection),
    )
    message = keys_pb2.KeyVersion(
        name=str(version.name),
        state=_STATES[version.state],
        protection_level=_PROTECTION[material.protection],
        components=[
            keys_pb2.KeyComponent(algorithm=name, protection_level=_PROTECTION[level]) for name, level in halves
        ],
        create_time=version.create_time,
        public_key_sha256=version.public_key.fingerprint().hex(),
    )
    if version.deactivate_time is not None:
        message.deactivate_time.FromDatetime(version.deactivate_time)
    if version.revoke_time is not None:
        message.revoke_time.FromDatetime(version.revoke_time)
    return message


def public_key_to_wire(version: KeyVersion) -> keys_pb2.PublicKey:
    raw = version.material.public_key
    return keys_pb2.PublicKey(
        name=str(version.name),
        algorithm=algorithm_to_wire(version.material.algorithm.name),
        public_key=raw,
        pem=version.public_key.to_spki_pem(),
        public_key_crc32c=crc32c(raw),
        state=_STATES[version.state],
    )


def protection_to_wire(level: ProtectionLevel) -> common_pb2.ProtectionLevel:
    return _PROTECTION[level]


def state_to_wire(state: KeyVersionState) -> keys_pb2.KeyVersionState:
    return _STATES[state]


def service_signature_to_wire(signature: ServiceSignature) -> common_pb2.ServiceSignature:
    moment = timestamp_pb2.Timestamp()
    moment.FromDatetime(signature.sign_time)
    return common_pb2.ServiceSignature(
        key_version=signature.key_version, signature=signature.signature, context=signature.context, sign_time=moment
    )
