"""The Cedar schema that every policy is checked against: built from the actions, so it can not fall behind the RPCs."""

from functools import lru_cache
from typing import Final

import cedarpy

from kms.access.actions import ActionClass, Actions

_TYPES: Final = """\
// Who calls: a certificate or a token of the tenant. `role`: admin, backend, auditor, device or edge.
entity Caller = {
  "spiffe_id": String,
  "tenant": String,
  "role": String,
  "name": String,
  // mtls, oidc, or mtls+oidc
  "authentication": String,
};

// What the request names. `kind` is the collection of its name (keys, devices, consents, ...), tenants for the tenant
// itself. It is in everything that its name lies below: tenants/a/keys/k/versions/1 in Resource::"tenants/a/keys/k".
// `purpose` and `algorithm` are a key's, empty elsewhere. `sensitivity`: 1 low, 2 standard, 3 high, 4 maximum.
// Labels of a key are tags: resource.hasTag("team") && resource.getTag("team") == "payments"
entity Resource in [Resource] = {
  "name": String,
  "tenant": String,
  "kind": String,
  "purpose": String,
  "algorithm": String,
  "sensitivity": Long,
} tags String;

// Of the device that calls, as its newest verdict stands. For everybody else, and where there is none: false, "" and
// 4294967296 seconds (136 years).
type Verdict = {
  "attested": Bool,
  "appraised": Bool,
  // software, hardware or factory
  "device_class": String,
  "age_seconds": Long,
};

type Circumstances = {
  "post_quantum": Bool,
  "tls_version": String,
  "tls_group": String,
  // Of the peer; 0.0.0.0 where it has none.
  "address": ipaddr,
  "time": datetime,
  // Of time, UTC: 0 to 23, and 1 (Monday) to 7 (Sunday).
  "hour": Long,
  "weekday": Long,
  "verdict": Verdict,
};
"""
_APPLIES: Final = "appliesTo { principal: [Caller], resource: [Resource], context: Circumstances }"


def schema_text(actions: Actions) -> str:
    """In Cedar's own schema syntax."""
    lines = [_TYPES, "// Classes: what auditors may call, what admins alone may call, and the rest."]
    lines += [f'action "{kind}";' for kind in ActionClass]
    lines += ["", "// Services"]
    lines += [f'action "{service}";' for service in actions.services()]
    lines += ["", "// RPCs"]
    lines += [f'action "{each.name}" in ["{each.service}", "{each.kind}"] {_APPLIES};' for each in actions]
    return "\n".join(lines) + "\n"


@lru_cache(maxsize=4)
def parsed_schema(text: str) -> cedarpy.Schema:
    """Ready for use; parsing takes milliseconds."""
    return cedarpy.Schema.from_str(text)
