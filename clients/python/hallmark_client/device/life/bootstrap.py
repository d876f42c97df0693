"""The identity that a device has before it is one: kept in the vault, for when its own certificate is over."""

import base64
import contextlib
import json
from typing import Any, Final

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.profile import Profile
from hallmark_events.canonical import canonical_json

from .keys import Secrets

_LABEL: Final = "bootstrap-profile"
_BYTES: Final = ("ca_pem", "cert_pem", "key_pem")


def keep_bootstrap(profile: Profile, secrets: Secrets) -> None:
    """Nothing is kept of one with a token: whoever gives tokens gives it to `Device.open` again."""
    if profile.token is not None or profile.token_file is not None:
        return
    value: dict[str, Any] = {name: base64.b64encode(getattr(profile, name)).decode() for name in _BYTES}
    value |= {"address": profile.address, "tenant": profile.tenant, "public_url": profile.public_url}
    secrets.keep_secret(_LABEL, canonical_json(value))


def kept_bootstrap(secrets: Secrets) -> Profile | None:
    with contextlib.suppress(ArtifactUnknown):
        found = secrets.secret(_LABEL)
        try:
            value = json.loads(found)
        finally:
            found[:] = bytes(len(found))
        return Profile(**{**value, **{name: base64.b64decode(value[name]) for name in _BYTES}})
    return None
