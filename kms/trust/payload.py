"""The bytes of a trust bundle: canonical JSON (RFC 8785 with integers only).

{"v": 1, "tenant", "sequence", "issued", "not_after", "keys": [
    {"key": name, "purpose", "aliases": [name], "revoked"?, "versions": [
        {"name", "algorithm", "state", "spki" (base64 DER) or "public_key" (base64, HPKE),
         "activate"?, "deactivate"?, "compromised"?, "revoked"?, "destroy"?}]}]}
Keys by name, versions newest first, times RFC 3339; a member with "?" is left out when there is no such time. The
public file beside it is the payload with its signature, see `public_document`.
"""

import base64
from collections.abc import Sequence
from datetime import datetime

from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.keys.model import Key, KeyVersion, KeyVersionState
from kms.keys.public_keys import to_spki_der
from kms.trust.model import BUNDLE_LIFETIME, REFRESH_AFTER, TrustBundle

_TIMES = {
    "activate": "activate_time",
    "deactivate": "deactivate_time",
    "compromised": "compromise_time",
    "revoked": "revoke_time",
    "destroy": "destroy_time",
}


def bundle_payload(tenant: str, sequence: int, keys: Sequence[Key], now: datetime) -> bytes:
    """`keys`: the tenant's and the service's own."""
    shown = [(key, [version for version in key.versions if is_shown(key, version, now)]) for key in keys]
    return canonical_json(
        {
            "v": 1,
            "tenant": tenant,
            "sequence": sequence,
            "issued": format_time(now),
            "not_after": format_time(now + BUNDLE_LIFETIME),
            "keys": [_key(key, versions) for key, versions in sorted(shown, key=_by_name) if versions],
        }
    )


def is_shown(key: Key, version: KeyVersion, now: datetime) -> bool:
    """False when the verify tail is over, and for a version that was destroyed before it ever signed."""
    if version.state is KeyVersionState.DESTROYED and version.deactivate_time is None:
        return False
    end = _tail_end(key, version)
    return end is None or now < end


def next_change_time(keys: Sequence[Key], now: datetime) -> datetime:
    """When a bundle made now is out of date though no key changed: a tail ends, or it is due for its refresh."""
    ends = (_tail_end(key, version) for key in keys for version in key.versions)
    return min([now + REFRESH_AFTER, *(end for end in ends if end is not None and end > now)])


def public_document(bundle: TrustBundle) -> bytes:
    """The public file of a bundle: JSON, byte strings in base64."""
    signature = bundle.signature
    return canonical_json(
        {
            "payload": _base64(bundle.payload),
            "signature": _base64(signature.signature),
            "key_version": signature.key_version,
            "context": signature.context,
            "sign_time": format_time(signature.sign_time),
            "sequence": bundle.sequence,
            "log_entry": _base64(bundle.promise.entry),
        }
    )


def _by_name(shown: tuple[Key, list[KeyVersion]]) -> str:
    return str(shown[0].name)


def _key(key: Key, versions: Sequence[KeyVersion]) -> Json:
    content: dict[str, Json] = {
        "key": str(key.name),
        "purpose": key.purpose.name,
        "aliases": [f"tenants/{key.name.tenant}/aliases/{alias}" for alias in key.aliases],
        "versions": [_version(version) for version in versions],
    }
    if key.revoke_time is not None:
        content["revoked"] = format_time(key.revoke_time)
    return content


def _version(version: KeyVersion) -> Json:
    spki = to_spki_der(version.algorithm, version.public_bytes)
    content: dict[str, Json] = {
        "name": str(version.name),
        "algorithm": version.algorithm.title,
        "state": version.state.name,
        ("public_key" if spki is None else "spki"): _base64(spki or version.public_bytes),
    }
    for member, field in _TIMES.items():
        moment = getattr(version, field)
        if moment is not None:
            content[member] = format_time(moment)
    return content


def _tail_end(key: Key, version: KeyVersion) -> datetime | None:
    tail = key.settings.rotation.verify_tail
    if tail is None or version.deactivate_time is None:
        return None
    return version.deactivate_time + tail


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
