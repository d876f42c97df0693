"""The token seen from a signer process: one login session for life, keys found by CKA_ID, seeds sealed and opened.

One thread only: python-pkcs11 calls C_Initialize without locking arguments, and libraries then drop their locks.
"""

import os
from collections.abc import Callable
from typing import Any, Final, Self, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as driver
from pkcs11.util.ec import encode_named_curve_parameters

from hallmark_composite import EcCurve
from hsm.errors import KeyNotFound, SealBroken, TokenUnavailable
from hsm.material import NONCE_SIZE, SealedSeed
from hsm.secret import Secret

from .faults import Remedy, TokenLost, remedy, translate
from .library import find_token

T = TypeVar("T")

KEY_LABEL: Final = "hallmark"
"""For humans who list the token; keys are told apart by CKA_ID alone."""
_TAG_BITS: Final = 128
_MAX_HANDLES: Final = 4096
_CURVE_NAMES: Final = {EcCurve.P256: "secp256r1", EcCurve.P384: "secp384r1"}
_ED25519_OID: Final = "1.3.101.112"
"""RFC 8410, section 3."""
_PRIVATE_TEMPLATE: Final = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DERIVE: False,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
}
_PUBLIC_TEMPLATE: Final = {Attribute.TOKEN: False, Attribute.PRIVATE: False}
"""Public keys live with the service; in the token they would only slow down every search."""
_UNSEAL_FAILURES: Final = (
    driver.GeneralError,  # what SoftHSM says when the tag does not match
    driver.FunctionFailed,
    driver.EncryptedDataInvalid,
    driver.EncryptedDataLenRange,
    driver.DataInvalid,
    driver.DataLenRange,
)
_PROBE_PLAINTEXT: Final = bytes(32)
_PROBE_AAD: Final = b"hallmark-probe"


class TokenSession:
    """A logged-in session. Errors are hsm errors; TokenLost means: end this process."""

    def __init__(self, token: Any, session: Any, pin: Secret, kek_id: bytes) -> None:
        self.token = token
        self.kek_id = kek_id
        self._session = session
        self._pin = pin
        self._handles: dict[tuple[ObjectClass, bytes], Any] = {}
        self._probe = self.seal(_PROBE_PLAINTEXT, _PROBE_AAD)

    @classmethod
    def open(cls, library: Any, *, label: str, serial: str | None, pin: Secret, kek_id: bytes) -> Self:
        """Logs in, once. Raises TokenNotFound, PinIncorrect, PinLocked, TokenUnavailable."""
        token = find_token(library, label=label, serial=serial)
        try:
            session = token.open(rw=True, user_pin=pin.reveal().decode())
        except driver.PKCS11Error as error:
            raise translate(error) from None
        return cls(token, session, pin, kek_id)

    def sign_digest(self, cka_id: bytes, digest: bytes) -> bytes:
        """CKM_ECDSA over a hash: r || s. Raises KeyNotFound, TokenLost."""
        return self._sign(cka_id, digest, Mechanism.ECDSA)

    def sign_ed25519(self, cka_id: bytes, message: bytes) -> bytes:
        """CKM_EDDSA without parameters is pure Ed25519 (PKCS#11 v3.1, 2.3.15): 64 bytes."""
        return self._sign(cka_id, message, Mechanism.EDDSA)

    def generate_ec(self, curve: EcCurve, cka_id: bytes) -> bytes:
        """A key pair whose private half never leaves the token; gives the X9.62 uncompressed point."""
        return self._generate(KeyType.EC, _CURVE_NAMES[curve], Mechanism.EC_KEY_PAIR_GEN, cka_id)

    def generate_ed25519(self, cka_id: bytes) -> bytes:
        """The same for Ed25519; gives the 32-byte public key of RFC 8032."""
        return self._generate(KeyType.EC_EDWARDS, _ED25519_OID, Mechanism.EC_EDWARDS_KEY_PAIR_GEN, cka_id)

    def destroy(self, cka_id: bytes) -> None:
        """Removes every object with this CKA_ID; none is fine."""

        def act() -> None:
            for found in list(self._session.get_objects({Attribute.ID: cka_id})):
                found.destroy()

        self._carry_out(act)
        self._handles.clear()

    def seal(self, seed: bytes, aad: bytes) -> SealedSeed:
        """AES-256-GCM in the token under a random 96-bit nonce."""
        nonce = os.urandom(NONCE_SIZE)
        ciphertext: bytes = self._carry_out(
            lambda: self._find(ObjectClass.SECRET_KEY, self.kek_id).encrypt(
                seed, mechanism=Mechanism.AES_GCM, mechanism_param=pkcs11.GCMParams(nonce, aad, _TAG_BITS)
            )
        )
        return SealedSeed(kek_id=self.kek_id, nonce=nonce, ciphertext=ciphertext)

    def unseal(self, seal: SealedSeed, aad: bytes) -> bytes:
        """The seed. Raises SealBroken, KeyNotFound (no such key-encryption key), TokenLost.

        Tokens report a wrong tag with the same general error as a breakdown. The two are told apart by opening a blob
        of our own: if that works, the token is well and the seal is broken.
        """
        parameters = pkcs11.GCMParams(seal.nonce, aad, _TAG_BITS)

        def act() -> bytes:
            kek = self._find(ObjectClass.SECRET_KEY, seal.kek_id)
            try:
                plaintext: bytes = kek.decrypt(seal.ciphertext, mechanism=Mechanism.AES_GCM, mechanism_param=parameters)
            except _UNSEAL_FAILURES:
                if seal is self._probe:
                    raise TokenLost(
                        "the token no longer opens what it sealed; its signer process starts over"
                    ) from None
                self.check_alive()
                raise SealBroken(
                    "a sealed seed does not open: it belongs to another key, version or tenant, or its bytes were "
                    "changed; restore the row from a backup"
                ) from None
            return plaintext

        return self._carry_out(act)

    def check_alive(self) -> None:
        """Opens a blob sealed when the session began. Raises TokenLost."""
        if self.unseal(self._probe, _PROBE_AAD) != _PROBE_PLAINTEXT:
            raise TokenLost("the token opens its own seal wrongly; its signer process starts over")

    def close(self) -> None:
        """Logs out. Errors of a dead device are of no interest any more."""
        try:
            self._session.close()
        except driver.PKCS11Error:
            return

    def _sign(self, cka_id: bytes, data: bytes, mechanism: Mechanism) -> bytes:
        signature: bytes = self._carry_out(
            lambda: self._find(ObjectClass.PRIVATE_KEY, cka_id).sign(data, mechanism=mechanism)
        )
        return signature

    def _generate(self, key_type: KeyType, curve: str, mechanism: Mechanism, cka_id: bytes) -> bytes:
        try:
            domain = self._session.create_domain_parameters(
                key_type, {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}, local=True
            )
            public_key, private_key = domain.generate_keypair(
                mechanism=mechanism,
                store=True,
                id=cka_id,
                label=KEY_LABEL,
                public_template=_PUBLIC_TEMPLATE,
                private_template=_PRIVATE_TEMPLATE,
            )
            octets: bytes = public_key[Attribute.EC_POINT]
        except driver.PKCS11Error as error:
            raise translate(error) from None
        self._keep((ObjectClass.PRIVATE_KEY, cka_id), private_key)
        return _unwrap_octet_string(octets)

    def _carry_out(self, action: Callable[[], T]) -> T:
        """Runs an action that may be repeated, once more after a stale handle or session."""
        try:
            return action()
        except driver.PKCS11Error as error:
            cure = remedy(error)
            if cure is Remedy.NONE:
                raise self._diagnose(error) from None
            if cure is Remedy.NEW_PROCESS:
                raise translate(error) from None
        self._handles.clear()
        try:
            if cure is Remedy.NEW_SESSION:
                self._session = self._new_session()
            return action()
        except driver.PKCS11Error as error:
            raise self._diagnose(error) from None

    def _diagnose(self, error: driver.PKCS11Error) -> Exception:
        """A key that is not found is only missing if the token still has its key-encryption key."""
        reported = translate(error)
        if isinstance(reported, KeyNotFound):
            try:
                self._handles.clear()
                self._find(ObjectClass.SECRET_KEY, self.kek_id)
            except driver.PKCS11Error:
                return TokenLost("the token has lost its objects; its signer process starts over")
        elif remedy(error) is not Remedy.NONE:
            return TokenLost(f"the token failed twice ({type(error).__name__}); its signer process starts over")
        return reported

    def _new_session(self) -> Any:
        try:
            return self.token.open(rw=True, user_pin=self._pin.reveal().decode())
        except driver.UserAlreadyLoggedIn:
            return self.token.open(rw=True)

    def _find(self, object_class: ObjectClass, cka_id: bytes) -> Any:
        key = self._handles.get((object_class, cka_id))
        if key is None:
            found = list(self._session.get_objects({Attribute.CLASS: object_class, Attribute.ID: cka_id}))
            if not found:
                raise driver.NoSuchKey
            if len(found) > 1:
                raise driver.MultipleObjectsReturned
            key = found[0]
            self._keep((object_class, cka_id), key)
        return key

    def _keep(self, name: tuple[ObjectClass, bytes], key: Any) -> None:
        if len(self._handles) >= _MAX_HANDLES:
            self._handles.clear()
        self._handles[name] = key


def _unwrap_octet_string(octets: bytes) -> bytes:
    """CKA_EC_POINT is a DER OCTET STRING around the point (PKCS#11 v3.1, 2.3.3); our points are under 128 bytes."""
    if len(octets) < 2 or octets[0] != 0x04 or octets[1] != len(octets) - 2:
        raise TokenUnavailable("the token gives a public key in a form this version does not know")
    return octets[2:]
