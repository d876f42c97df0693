"""Keys and signatures from the wire."""

from hallmark.v1 import common_pb2, keys_pb2
from hallmark_client.checksum import check_crc32c
from hallmark_client.model.enums import (
    Algorithm,
    ExportPolicy,
    KeyOrigin,
    KeyPurpose,
    KeyVersionState,
    ProtectionLevel,
    Sensitivity,
)
from hallmark_client.model.keys import Key, KeyComponent, KeyVersion, PublicKey, Signature, Verified
from hallmark_client.model.log import LogPromise
from hallmark_client.wire.attestation_gate import gate_of
from hallmark_client.wire.key_settings import limits_of, rotation_of
from hallmark_client.wire.log import promise_of
from hallmark_client.wire.scalars import member_of, moment, moment_or_none, span


def key_of(wire: keys_pb2.Key, *, log: LogPromise | None = None, replayed: bool = False) -> Key:
    return Key(
        name=wire.name,
        purpose=member_of(KeyPurpose, wire.purpose),
        algorithm=member_of(Algorithm, wire.algorithm),
        primary_version=wire.primary_version,
        create_time=moment(wire.create_time),
        update_time=moment(wire.update_time),
        labels=dict(wire.labels),
        etag=wire.etag,
        versions=tuple(_version_of(version) for version in wire.versions),
        revoke_time=moment_or_none(wire, "revoke_time"),
        rotation=rotation_of(wire.rotation),
        usage_limits=limits_of(wire.usage_limits),
        destroy_wait=span(wire.destroy_wait),
        export_policy=member_of(ExportPolicy, wire.export_policy),
        use_count=wire.use_count,
        aliases=tuple(wire.aliases),
        attestation_gate=gate_of(wire.attestation_gate) if wire.HasField("attestation_gate") else None,
        sensitivity=member_of(Sensitivity, wire.sensitivity or common_pb2.SENSITIVITY_STANDARD),
        log=log,
        replayed=replayed,
    )


def changed_key_of(
    wire: keys_pb2.CreateKeyResponse
    | keys_pb2.ImportKeyResponse
    | keys_pb2.UpdateKeyResponse
    | keys_pb2.RotateKeyResponse
    | keys_pb2.ChangeKeyVersionStateResponse,
) -> Key:
    return key_of(wire.key, log=promise_of(wire.log), replayed=wire.replayed)


def _version_of(wire: keys_pb2.KeyVersion) -> KeyVersion:
    return KeyVersion(
        name=wire.name,
        state=member_of(KeyVersionState, wire.state),
        protection_level=member_of(ProtectionLevel, wire.protection_level),
        components=tuple(
            KeyComponent(
                algorithm=component.algorithm,
                protection_level=member_of(ProtectionLevel, component.protection_level),
            )
            for component in wire.components
        ),
        create_time=moment(wire.create_time),
        deactivate_time=moment_or_none(wire, "deactivate_time"),
        revoke_time=moment_or_none(wire, "revoke_time"),
        public_key_sha256=wire.public_key_sha256,
        activate_time=moment_or_none(wire, "activate_time"),
        compromise_time=moment_or_none(wire, "compromise_time"),
        destroy_time=moment_or_none(wire, "destroy_time"),
        origin=member_of(KeyOrigin, wire.origin),
        exportable=wire.exportable,
        creation_event_key=wire.creation_event_key,
    )


def public_key_of(wire: keys_pb2.PublicKey) -> PublicKey:
    """Raises ChecksumMismatch."""
    check_crc32c(wire.public_key, wire.public_key_crc32c, "the public key")
    return PublicKey(
        name=wire.name,
        algorithm=member_of(Algorithm, wire.algorithm),
        raw=wire.public_key,
        pem=wire.pem,
        state=member_of(KeyVersionState, wire.state),
    )


def signature_of(wire: keys_pb2.SignResponse) -> Signature:
    """Raises ChecksumMismatch."""
    check_crc32c(wire.signature, wire.signature_crc32c, "the signature")
    return Signature(
        key_version=wire.key_version,
        algorithm=member_of(Algorithm, wire.algorithm),
        protection_level=member_of(ProtectionLevel, wire.protection_level),
        signature=wire.signature,
        log=promise_of(wire.log),
        replayed=wire.replayed,
    )


def verified_of(wire: keys_pb2.VerifyResponse) -> Verified:
    return Verified(
        key_version=wire.key_version,
        state=member_of(KeyVersionState, wire.state),
        revoke_time=moment_or_none(wire, "revoke_time"),
        compromise_time=moment_or_none(wire, "compromise_time"),
    )
