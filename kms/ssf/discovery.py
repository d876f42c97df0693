"""The transmitter's configuration metadata (SSF 1.0, section 7.1), at /.well-known/ssf-configuration."""

from kms.core.canonical import Json
from kms.ssf.model import Method

JWKS_PATH = "/jwks.json"
STREAM_PATH = "/ssf/stream"
STATUS_PATH = "/ssf/status"
ADD_SUBJECT_PATH = "/ssf/subjects:add"
REMOVE_SUBJECT_PATH = "/ssf/subjects:remove"
VERIFY_PATH = "/ssf/verify"
CONFIGURATION_PATH = "/.well-known/ssf-configuration"


def transmitter_configuration(issuer: str) -> dict[str, Json]:
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": issuer + JWKS_PATH,
        "delivery_methods_supported": [Method.PUSH.value, Method.POLL.value],
        "configuration_endpoint": issuer + STREAM_PATH,
        "status_endpoint": issuer + STATUS_PATH,
        "add_subject_endpoint": issuer + ADD_SUBJECT_PATH,
        "remove_subject_endpoint": issuer + REMOVE_SUBJECT_PATH,
        "verification_endpoint": issuer + VERIFY_PATH,
        # Whoever drops one of these would apply a change to more than it is about.
        "critical_subject_members": ["device", "tenant", "user"],
        # RFC 6750: the token that an admin was given. It is the only credential there is.
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6750"}],
        "default_subjects": "ALL",
    }
