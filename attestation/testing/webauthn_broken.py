"""WebAuthn registrations that must be refused, one variant for each way to cheat or to fail."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Final

from attestation import cose_key as cose
from attestation.authenticator_data import Flag
from attestation.model import METADATA
from attestation.reasons import Reason
from attestation.testing import webauthn_statements as statements
from attestation.testing.certificates import KeyKind, spki_of
from attestation.testing.variant import Variant
from attestation.testing.webauthn import KEYS, STRICT, Bench
from attestation.testing.webauthn_authenticator import VirtualMakers, new_p256
from attestation.testing.webauthn_broken_statements import BROKEN_STATEMENTS
from attestation.testing.webauthn_makers import (
    Maker,
    anchored_for,
    app_key_as_security_key,
    at,
    changed_bytes,
    changed_data,
    changed_field,
    changed_parts,
    elsewhere,
    expecting,
    foreign_metadata,
    make,
    root_as_credential,
    say,
    self_attested,
    with_metadata,
    without_root,
)


def broken(now: datetime) -> Iterator[Variant]:
    bench = Bench(VirtualMakers.create(now=now))
    for name, (reason, maker) in (BROKEN | BROKEN_STATEMENTS).items():
        yield Variant(name, reason, maker(bench))


BROKEN: Final[dict[str, tuple[Reason, Maker]]] = {
    # bytes
    "empty": (Reason.MALFORMED, changed_bytes(lambda _, data: (b"", data))),
    "trailing byte": (Reason.MALFORMED, changed_bytes(lambda found, data: (found + b"\x00", data))),
    "oversize": (Reason.MALFORMED, changed_bytes(lambda found, data: (found, data + b" " * 64 * 1024))),
    "client data is no JSON": (Reason.MALFORMED, changed_bytes(lambda found, data: (found, data[:-1]))),
    "client data is no object": (Reason.MALFORMED, changed_bytes(lambda found, _: (found, b"[]"))),
    "client data says a thing twice": (
        Reason.MALFORMED,
        changed_bytes(lambda found, data: (found, b'{"type":"webauthn.create",' + data[1:])),
    ),
    "challenge is no base64url": (Reason.MALFORMED, say(more={"challenge": "a+b/"})),
    "one part": (Reason.MALFORMED, changed_parts(lambda found: replace(found, parts=found.parts[:1]))),
    "unknown field": (Reason.MALFORMED, make("packed", change=lambda content: content | {"more": 1})),
    "data cut short": (Reason.MALFORMED, changed_data(lambda data: data[:-1])),
    "data with more": (Reason.MALFORMED, changed_data(lambda data: data + b"\x00")),
    "no credential": (Reason.MALFORMED, changed_data(lambda data: data[:32] + b"\x01" + data[33:37])),
    "x5c empty": (Reason.MALFORMED, changed_field("packed", x5c=[])),
    "x5c of numbers": (Reason.MALFORMED, changed_field("packed", x5c=[1])),
    "two U2F certificates": (Reason.MALFORMED, changed_field("fido-u2f", x5c=[b"\x30\x00", b"\x30\x00"])),
    "none with fields": (Reason.MALFORMED, make("none", make=statements.packed)),
    # what was asked
    "an assertion's client data": (Reason.WRONG_TYPE, say(type="webauthn.get")),
    "unknown kind": (Reason.WRONG_TYPE, make("android-safetynet", make=statements.packed)),
    "another challenge": (Reason.CHALLENGE_MISMATCH, expecting(b"another challenge")),
    "another key": (Reason.KEY_MISMATCH, expecting(key_spki=spki_of(new_p256()))),
    "none": (Reason.NO_ATTESTATION, make("none", make=lambda registration: (registration, {}))),
    # keys and algorithms
    "credential key for RS1": (
        Reason.UNSUPPORTED_ALGORITHM,
        say(key=KEYS["RS256"](), cose={3: cose.RS1}),
    ),
    "ES256 on P-384": (
        Reason.UNSUPPORTED_ALGORITHM,
        say(key=KEYS["ES384"](), cose={3: cose.ES256}),
    ),
    "statement algorithm of nobody": (Reason.UNSUPPORTED_ALGORITHM, changed_field("packed", alg=cose.RS1)),
    "U2F on P-384": (Reason.UNSUPPORTED_ALGORITHM, make("fido-u2f", curve=KeyKind.EC_P384)),
    "credential key off its curve": (Reason.MALFORMED, say(cose={-2: bytes(32)})),
    "credential key in private": (Reason.MALFORMED, say(cose={-4: bytes(32)})),
    # chains
    "packed by nobody": (Reason.UNTRUSTED_ROOT, elsewhere("packed")),
    "apple by nobody": (Reason.UNTRUSTED_ROOT, elsewhere("apple")),
    "tpm by nobody": (Reason.UNTRUSTED_ROOT, elsewhere("tpm")),
    "U2F by nobody": (Reason.UNTRUSTED_ROOT, elsewhere("fido-u2f")),
    "phone by nobody": (Reason.UNTRUSTED_ROOT, elsewhere("android-key")),
    "root for another kind": (Reason.UNTRUSTED_ROOT, lambda bench: anchored_for(bench, "packed", "tpm")),
    "root for metadata": (Reason.UNTRUSTED_ROOT, lambda bench: anchored_for(bench, "apple", METADATA)),
    "app key as security key": (Reason.UNTRUSTED_ROOT, app_key_as_security_key),
    "root's key as credential": (Reason.UNTRUSTED_ROOT, root_as_credential),
    "phone without root": (Reason.INCOMPLETE_CHAIN, without_root),
    "expired": (Reason.EXPIRED, at(timedelta(days=301))),
    "phone expired": (Reason.EXPIRED, at(timedelta(days=60), "android-key")),
    "not yet valid": (Reason.NOT_YET_VALID, at(timedelta(days=-2))),
    # policy
    "self": (Reason.SELF_ATTESTATION, self_attested()),
    "another relying party": (Reason.RP_ID_MISMATCH, say(rp_id="example.com")),
    "another origin": (Reason.ORIGIN_MISMATCH, say(origin="https://example.org.example.com")),
    "nobody there": (Reason.USER_NOT_PRESENT, say(flags=Flag(0))),
    "user not verified": (
        Reason.USER_NOT_VERIFIED,
        say(replace(STRICT, require_user_verification=True), flags=Flag.USER_PRESENT),
    ),
    "another model": (
        Reason.AUTHENTICATOR_NOT_ALLOWED,
        make("packed", replace(STRICT, aaguids=frozenset({bytes(16)}))),
    ),
    # metadata
    "metadata demanded": (Reason.METADATA_MISSING, make("packed", replace(STRICT, require_metadata=True))),
    "metadata by nobody": (Reason.BAD_COLLATERAL_SIGNATURE, foreign_metadata),
    "metadata by a web site": (
        Reason.BAD_COLLATERAL_SIGNATURE,
        with_metadata("FIDO_CERTIFIED", name="www.example.org"),
    ),
    "old metadata": (Reason.STALE_COLLATERAL, with_metadata("FIDO_CERTIFIED", next_update=date(2020, 1, 1))),
    "revoked": (Reason.REVOKED, with_metadata("FIDO_CERTIFIED", "REVOKED", effective=date(2020, 1, 1))),
    "compromised": (Reason.AUTHENTICATOR_COMPROMISED, with_metadata("USER_KEY_REMOTE_COMPROMISE")),
    "not certified": (
        Reason.AUTHENTICATOR_NOT_CERTIFIED,
        with_metadata(
            "FIDO_CERTIFIED_L1", policy=replace(STRICT, certification_levels=frozenset({"FIDO_CERTIFIED_L2"}))
        ),
    ),
}
