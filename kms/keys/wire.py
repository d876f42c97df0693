"""Keys on the wire: model <-> protobuf. Their settings: settings_wire.py."""

from google.protobuf import timestamp_pb2
from google.protobuf.internal import containers

from hallmark.v1 import common_pb2, keys_pb2
from hsm.material import CompositeKeyMaterial, ProtectionLevel
from kms.core.checksum import crc32c
from kms.core.errors import InvalidArgument, Reason
from kms.keys.algorithms import ALGORITHMS, KeyAlgorithm
from kms.keys.lifecycle import Action
from kms.keys.model import (
    LABELS_MAX,
    Alias,
    Key,
    KeyOrigin,
    KeyPurpose,
    KeyVersion,
    KeyVersionState,
    ServiceSignature,
)
from kms.keys.public_keys import fingerprint, to_spki_pem
from kms.keys.purposes import default_algorithm, default_purpose
from kms.keys.readiness import Readiness
from kms.keys.settings_wire import add_settings

_ALGORITHM_NUMBERS: dict[str, common_pb2.Algorithm] = {
    algorithm.title: getattr(common_pb2, f"ALGORITHM_{algorithm.name}") for algorithm in ALGORITHMS.values()
}
_ALGORITHMS = {_ALGORITHM_NUMBERS[algorithm.title]: algorithm for algorithm in ALGORITHMS.values()}
_PURPOSES: dict[KeyPurpose, keys_pb2.KeyPurpose] = {
    purpose: getattr(keys_pb2, f"KEY_PURPOSE_{purpose.name}") for purpose in KeyPurpose
}
_STATES: dict[KeyVersionState, keys_pb2.KeyVersionState] = {
    state: getattr(keys_pb2, f"KEY_VERSION_STATE_{state.name}") for state in KeyVersionState
}
_ORIGINS: dict[KeyOrigin, keys_pb2.KeyOrigin] = {
    origin: getattr(keys_pb2, f"KEY_ORIGIN_{origin.name}") for origin in KeyOrigin
}
_ACTIONS: dict[keys_pb2.KeyVersionAction, Action] = {
    getattr(keys_pb2, f"KEY_VERSION_ACTION_{action.name}"): action for action in Action
}
_PROTECTION = {
    ProtectionLevel.HSM: common_pb2.PROTECTION_LEVEL_HSM,
    ProtectionLevel.HSM_WRAPPED: common_pb2.PROTECTION_LEVEL_HSM_WRAPPED,
    ProtectionLevel.IMPORTED: common_pb2.PROTECTION_LEVEL_IMPORTED,
}


def kind_from_wire(purpose: keys_pb2.KeyPurpose, algorithm: common_pb2.Algorithm) -> tuple[KeyPurpose, KeyAlgorithm]:
    """Of a key to be made; each stands for the other when it is left out. Raises InvalidArgument."""
    if algorithm and algorithm not in _ALGORITHMS:
        raise InvalidArgument(Reason.FIELD_INVALID, "algorithm is not one this server knows", field="algorithm")
    wanted = _ALGORITHMS.get(algorithm)
    purposes = {number: known for known, number in _PURPOSES.items() if not known.is_own}
    if purpose and purpose not in purposes:
        raise InvalidArgument(Reason.FIELD_INVALID, "purpose must be SIGN, MANIFEST or ENVELOPE", field="purpose")
    found = purposes[purpose] if purpose else default_purpose(wanted)
    return found, wanted or default_algorithm(found)


def algorithm_from_wire(number: common_pb2.Algorithm, field: str) -> KeyAlgorithm:
    """Raises InvalidArgument."""
    if number not in _ALGORITHMS:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{field} is not one this server knows", field=field)
    return _ALGORITHMS[number]


def purpose_to_wire(purpose: KeyPurpose) -> keys_pb2.KeyPurpose:
    return _PURPOSES[purpose]


def algorithm_to_wire(title: str) -> common_pb2.Algorithm:
    return _ALGORITHM_NUMBERS[title]


def algorithms_to_wire() -> list[common_pb2.Algorithm]:
    """All that this release knows."""
    return list(_ALGORITHM_NUMBERS.values())


def action_from_wire(number: keys_pb2.KeyVersionAction) -> Action:
    if number not in _ACTIONS:
        raise InvalidArgument(Reason.FIELD_INVALID, "action is not one this server knows", field="action")
    return _ACTIONS[number]


def labels_from_wire(labels: "containers.ScalarMap[str, str]") -> dict[str, str]:
    if len(labels) > LABELS_MAX or any(not 1 <= len(k) <= 63 or len(v) > 255 for k, v in labels.items()):
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"labels: at most {LABELS_MAX}, keys of 1 to 63 and values of up to 255 characters",
            field="labels",
        )
    return dict(labels)


def key_to_wire(key: Key) -> keys_pb2.Key:
    message = keys_pb2.Key(
        name=str(key.name),
        purpose=_PURPOSES[key.purpose],
        algorithm=algorithm_to_wire(key.algorithm.title),
        primary_version="" if key.primary is None else f"{key.name}/versions/{key.primary}",
        labels=dict(key.labels),
        etag=key.etag,
        versions=[_version_to_wire(version) for version in key.versions],
        create_time=key.create_time,
        update_time=key.update_time,
        use_count=key.use_count,
        aliases=[f"tenants/{key.name.tenant}/aliases/{alias}" for alias in key.aliases],
    )
    if key.revoke_time is not None:
        message.revoke_time.FromDatetime(key.revoke_time)
    add_settings(message, key)
    return message


def _version_to_wire(version: KeyVersion) -> keys_pb2.KeyVersion:
    """Of a version whose private half is gone nothing is protected any more."""
    material = version.material
    message = keys_pb2.KeyVersion(
        name=str(version.name),
        state=_STATES[version.state],
        protection_level=None if material is None else _PROTECTION[version.protection],
        components=_components_to_wire(version),
        create_time=version.create_time,
        origin=_ORIGINS[version.origin],
        exportable=version.exportable,
        creation_event_key=version.creation_event,
    )
    if version.public_bytes:  # a rehearsed version has none yet
        message.public_key_sha256 = fingerprint(version.algorithm, version.public_bytes).hex()
    for field in ("activate_time", "deactivate_time", "compromise_time", "destroy_time", "revoke_time"):
        moment = getattr(version, field)
        if moment is not None:
            getattr(message, field).FromDatetime(moment)
    return message


def _components_to_wire(version: KeyVersion) -> list[keys_pb2.KeyComponent]:
    material = version.material
    if not isinstance(material, CompositeKeyMaterial):
        return []
    halves = (
        (material.algorithm.ml_dsa.value, material.post_quantum_protection),
        (f"ECDSA-{material.algorithm.curve.value.replace('-', '')}", material.classical_protection),
    )
    return [
        keys_pb2.KeyComponent(algorithm=name, protection_level=_PROTECTION[version.claimed(level)])
        for name, level in halves
    ]


def public_key_to_wire(version: KeyVersion) -> keys_pb2.PublicKey:
    raw = version.public_bytes
    return keys_pb2.PublicKey(
        name=str(version.name),
        algorithm=algorithm_to_wire(version.algorithm.title),
        public_key=raw,
        pem=to_spki_pem(version.algorithm, raw),
        public_key_crc32c=crc32c(raw),
        state=_STATES[version.state],
    )


def alias_to_wire(alias: Alias) -> keys_pb2.Alias:
    return keys_pb2.Alias(name=str(alias.name), key=str(alias.key), etag=alias.etag, update_time=alias.update_time)


def readiness_to_wire(readiness: Readiness) -> keys_pb2.RotationReadiness:
    message = keys_pb2.RotationReadiness(
        next_version=readiness.next_version,
        bundle_sequence=readiness.bundle_sequence,
        clients_seen=readiness.clients_seen,
        clients_ready=readiness.clients_ready,
        not_ready=readiness.not_ready,
    )
    if readiness.activate_time is not None:
        message.activate_time.FromDatetime(readiness.activate_time)
    return message


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
