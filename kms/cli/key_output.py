"""How keys are printed."""

from typing import TYPE_CHECKING

import click

from kms.cli.gate_settings import gate_text
from kms.cli.output import moment, print_facts, print_table, short
from kms.cli.times import span_text

if TYPE_CHECKING:
    from hallmark_client.model.key_settings import Readiness
    from hallmark_client.model.keys import Key, RotationPolicy, UsageLimits


def key_row(key: "Key") -> tuple[str, ...]:
    """For a list of keys."""
    signs = "revoked" if key.revoke_time else key.primary_version.rpartition("/")[2] or "none"
    return (short(key.name), key.algorithm, signs, str(len(key.versions)), moment(key.create_time))


def print_key(key: "Key") -> None:
    """All of a key."""
    click.echo(short(key.name))
    print_facts(
        {
            "name": key.name,
            "purpose": key.purpose.lower(),
            "algorithm": key.algorithm,
            "signs now": short(key.primary_version),
            "created": key.create_time,
            "revoked": key.revoke_time,
            "aliases": [short(alias) for alias in key.aliases],
            "labels": [f"{name}={value}" for name, value in key.labels.items()],
            "rotation": _rotation(key.rotation),
            "next rotation": key.rotation.next_rotation_time,
            "limits": _limits(key.usage_limits),
            "used": f"{key.use_count} times",
            "destroyed after": f"{span_text(key.destroy_wait)} of waiting",
            "export": key.export_policy.lower(),
            "sensitivity": key.sensitivity.lower(),
            "gate": gate_text(key.attestation_gate),
            "made (log event)": key.versions[0].creation_event_key if key.versions else "",
            "etag": key.etag,
        }
    )
    print_table(
        ("VERSION", "STATE", "PROTECTION", "SIGNS FROM", "UNTIL", "REVOKED", "PUBLIC KEY SHA-256"),
        [
            (
                version.name.rpartition("/")[2],
                version.state,
                "" if version.protection_level == "UNKNOWN" else version.protection_level,
                moment(version.activate_time),
                moment(version.deactivate_time),
                moment(version.revoke_time),
                version.public_key_sha256,
            )
            for version in key.versions
        ],
    )


def print_readiness(readiness: "Readiness") -> None:
    """Who is ready for the next version."""
    print_facts(
        {
            "next version": short(readiness.next_version),
            "signs from": readiness.activate_time,
            "in trust bundle": readiness.bundle_sequence or "",
            "clients ready": f"{readiness.clients_ready} of {readiness.clients_seen} seen within 30 days",
            "not ready": list(readiness.not_ready),
        }
    )


def _rotation(rotation: "RotationPolicy") -> str:
    if rotation.period is None and not rotation.publish_lead and rotation.verify_tail is None:
        return "on demand"
    parts = ["on demand" if rotation.period is None else f"every {span_text(rotation.period)}"]
    if rotation.publish_lead:
        parts.append(f"published {span_text(rotation.publish_lead)} before it signs")
    if rotation.verify_tail is not None:
        parts.append(f"in the trust bundle for {span_text(rotation.verify_tail)} after")
    return ", ".join(parts)


def _limits(limits: "UsageLimits") -> str:
    parts = []
    if limits.per_second is not None:
        parts.append(f"{limits.per_second} a second")
    if limits.total is not None:
        parts.append(f"{limits.total} in all")
    if limits.not_after is not None:
        parts.append(f"until {moment(limits.not_after)}")
    return ", ".join(parts)
