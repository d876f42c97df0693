"""Virtual authenticators of all kinds that WebAuthn has statements for, under throw-away roots.

Usage:
    makers = VirtualMakers.create(now=now)
    registration = makers.register("packed", b"challenge")
    evidence = registration.evidence()
"""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Self

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.authenticator_data import Flag
from attestation.formats import webauthn
from attestation.model import METADATA, Anchors, Evidence, Format, TrustAnchor
from attestation.testing.authenticator import CredentialKey, authenticator_data, cose_map, credential_spki, virtual_root
from attestation.testing.certificates import PrivateKey, spki_of
from attestation.testing.phone import Issuer, VirtualPhone
from attestation.testing.vendor import VirtualVendor

SOURCE: Final = "made by attestation.testing, trusted by nobody else"
AAGUID: Final = b"virtual AAGUID 1"
RP_ID: Final = "example.org"
ORIGIN: Final = "https://example.org"

ROOTS: Final = {"packed": "keys", "fido-u2f": "keys", "tpm": "tpm", "apple": "apple", METADATA: "metadata"}


def new_p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True, slots=True, kw_only=True)
class CeremonyState:
    """What browser and authenticator say. The defaults are a good registration; None stands for the right value."""

    type: str = "webauthn.create"
    origin: str = ORIGIN
    rp_id: str = RP_ID
    flags: Flag = Flag.USER_PRESENT | Flag.USER_VERIFIED
    counter: int = 0
    aaguid: bytes = AAGUID
    cose: dict[int, Any] = field(default_factory=dict)  # changes to the COSE key
    more: dict[str, Any] = field(default_factory=dict)  # further members of the client data


@dataclass(frozen=True, slots=True)
class VirtualMakers:
    """One maker for each kind of statement, and the signer of metadata. Only the phone's root is sent along."""

    now: datetime
    roots: dict[str, Issuer]
    android: VirtualVendor
    phone: VirtualPhone

    @classmethod
    def create(cls, *, now: datetime) -> Self:
        roots = {name: virtual_root(f"Virtual {name} root") for name in sorted(set(ROOTS.values()))}
        android = VirtualVendor.create(now=now)
        return cls(now, roots, android, VirtualPhone.create(android, now=now))

    @property
    def anchors(self) -> Anchors:
        """Each root for its kind of statement only."""
        uses = {name: frozenset(use for use in ROOTS if ROOTS[use] == name) for name in self.roots}
        found = [_anchor(name, issuer.key, uses[name]) for name, issuer in self.roots.items()]
        return Anchors((*found, _anchor("android", self.android.key, frozenset({"android-key"}))))

    def register(
        self, challenge: bytes, *, key: CredentialKey | None = None, state: CeremonyState | None = None
    ) -> "Registration":
        """A new credential, before a statement is made of it."""
        state = state or CeremonyState()
        text = urlsafe_b64encode(challenge).rstrip(b"=").decode()
        client_data = {"type": state.type, "challenge": text, "origin": state.origin, **state.more}
        return Registration(self, key or new_p256(), state, json.dumps(client_data).encode())


def _anchor(name: str, key: PrivateKey, uses: frozenset[str]) -> TrustAnchor:
    return TrustAnchor(f"virtual-{name}", frozenset({Format.WEBAUTHN}), spki_of(key), SOURCE, uses=uses)


@dataclass(frozen=True, slots=True)
class Registration:
    """A credential that waits for its statement. The private key is here because the authenticator is virtual."""

    makers: VirtualMakers
    key: CredentialKey
    state: CeremonyState
    client_data: bytes

    @property
    def now(self) -> datetime:
        return self.makers.now

    @property
    def life(self) -> dict[str, datetime]:
        """Period of an attestation certificate."""
        return {"begin": self.now - timedelta(days=1), "end": self.now + timedelta(days=300)}

    @property
    def spki(self) -> bytes:
        return credential_spki(self.key)

    @property
    def client_data_hash(self) -> bytes:
        return sha256(self.client_data).digest()

    @property
    def credential_id(self) -> bytes:
        return sha256(self.spki).digest()

    @property
    def data(self) -> bytes:
        state = self.state
        return authenticator_data(
            rp_id_hash=sha256(state.rp_id.encode()).digest(),
            flags=state.flags,
            counter=state.counter,
            aaguid=state.aaguid,
            credential_id=self.credential_id,
            key=cose_map(self.key) | state.cose,
        )

    @property
    def signed(self) -> bytes:
        return self.data + self.client_data_hash

    def with_key(self, key: CredentialKey) -> "Registration":
        return replace(self, key=key)

    def evidence(self, fmt: str, statement: dict[str, Any], *, data: bytes | None = None) -> Evidence:
        """What the browser would send."""
        content = {"fmt": fmt, "attStmt": statement, "authData": self.data if data is None else data}
        return webauthn.evidence(cbor2.dumps(content), self.client_data)
