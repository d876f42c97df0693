"""The token seen from a signer process: one login session for life, keys found by CKA_ID, seeds sealed and opened.

One thread only: python-pkcs11 calls C_Initialize without locking arguments, and libraries then drop their locks.
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self, TypeVar

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass
from pkcs11 import exceptions as driver
from pkcs11.util.ec import encode_named_curve_parameters

from hallmark_composite import EcCurve
from hsm.errors import HsmError, KeyNotFound, SealBroken, TokenUnavailable, UnsupportedAlgorithm
from hsm.material import NONCE_SIZE, SealedSeed
from hsm.sealing import ED25519_LABEL
from hsm.secret import Secret

from .attributes import read_attribute, unwrap_octet_string
from .faults import Remedy, TokenLost, remedy, translate
from .library import find_token

T = TypeVar("T")
_SETTLE_SECONDS: Final = 0.05
VIEW_SECONDS: Final = 30.0
"""A process that has run for longer may have missed a key that another one made: SoftHSM looks into its folder again
only when a counter in a file says so. That a key is missing is believed of younger processes only; asking for one that
really is costs a process every so often, not more.
"""
_TAG_BITS: Final = 128
_MAX_HANDLES: Final = 4096
CURVE_NAMES: Final = {EcCurve.P256: "secp256r1", EcCurve.P384: "secp384r1"}
ED25519_OID: Final = "1.3.101.112"
"""RFC 8410, section 3."""
PRIVATE_TEMPLATE: Final = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.DERIVE: False,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
}
PUBLIC_TEMPLATE: Final = {Attribute.TOKEN: False, Attribute.PRIVATE: False}
"""Public keys live with the service; in the token they would only slow down every search."""
_UNSEAL_FAILURES: Final = (
    driver.GeneralError,  # what SoftHSM says when the tag does not match
    driver.FunctionFailed,
    driver.EncryptedDataInvalid,
    driver.EncryptedDataLenRange,
    driver.DataInvalid,
    driver.DataLenRange,
)
_NOBODYS_LABEL: Final = "hallmark: nothing has this label"
_PROBE_PLAINTEXT: Final = bytes(32)
_PROBE_AAD: Final = b"hallmark-probe"


class TokenSession:
    """A logged-in session. Errors are hsm errors; TokenLost means: end this process."""

    clock: Callable[[], float] = staticmethod(time.monotonic)

    def __init__(self, token: Any, session: Any, pin: Secret, kek_id: bytes) -> None:
        self.token = token
        self.kek_id = kek_id
        self._session = session
        self._pin = pin
        self._began = self.clock()
        self._handles: dict[tuple[ObjectClass, bytes, str | None], Any] = {}
        self._probe, self.sealing_fault = self._try_to_seal()
        """`sealing_fault`: why this token cannot seal (it may still make and use keys of its own), or None."""

    @classmethod
    def open(cls, library: Any, *, label: str, serial: str | None, pin: Secret, kek_id: bytes) -> Self:
        """Logs in, once. Raises TokenNotFound, PinIncorrect, PinLocked, TokenUnavailable."""
        token = find_token(library, label=label, serial=serial)
        try:
            session = token.open(rw=True, user_pin=pin.reveal().decode())
        except driver.PKCS11Error as error:
            raise translate(error) from None
        return cls(token, session, pin, kek_id)

    def sign_digest(self, cka_id: bytes, digest: bytes, *, label: str) -> bytes:
        """CKM_ECDSA over a hash: r || s. Raises KeyNotFound, SealBroken (a key of another label), TokenLost."""
        return self.sign(cka_id, digest, label=label, mechanism=Mechanism.ECDSA)

    def sign_ed25519(self, cka_id: bytes, message: bytes) -> bytes:
        """CKM_EDDSA without parameters is pure Ed25519 (PKCS#11 v3.1, 2.3.15): 64 bytes."""
        return self.sign(cka_id, message, label=ED25519_LABEL, mechanism=Mechanism.EDDSA)

    def sign(
        self, cka_id: bytes, data: bytes, *, label: str, mechanism: Mechanism, parameter: bytes | None = None
    ) -> bytes:
        """Signs with the private key that has this CKA_ID and must have this CKA_LABEL."""
        signature: bytes = self.carry_out(
            lambda: self._find(ObjectClass.PRIVATE_KEY, cka_id, label).sign(
                data, mechanism=mechanism, mechanism_param=parameter
            )
        )
        return signature

    def mechanism_names(self) -> frozenset[str]:
        """PKCS#11 names without CKM_; those of a vendor's own are left out."""
        try:
            return frozenset(getattr(mechanism, "name", "") for mechanism in self.token.slot.get_mechanisms())
        except driver.PKCS11Error as error:
            raise translate(error) from None

    def generate_ec(self, curve: EcCurve, cka_id: bytes, *, label: str) -> bytes:
        """A key pair whose private half never leaves the token; gives the X9.62 uncompressed point."""
        return self._generate_on_curve(KeyType.EC, CURVE_NAMES[curve], Mechanism.EC_KEY_PAIR_GEN, cka_id, label)

    def generate_ed25519(self, cka_id: bytes) -> bytes:
        """The same for Ed25519; gives the 32-byte public key of RFC 8032."""
        mechanism = Mechanism.EC_EDWARDS_KEY_PAIR_GEN
        return self._generate_on_curve(KeyType.EC_EDWARDS, ED25519_OID, mechanism, cka_id, ED25519_LABEL)

    def generate_pair(
        self,
        generator: Callable[[Any], Callable[..., Any]],
        *,
        mechanism: Mechanism,
        cka_id: bytes,
        label: str,
        public_attributes: Mapping[Attribute, Any],
        stored: bool = True,
    ) -> Any:
        """The public key object of a new pair whose private half stays in the token. Raises HsmError.

        `generator` gives the session's method that generates. Not stored: gone with the session. Never repeated.
        """
        try:
            public_key, private_key = generator(self._session)(
                mechanism=mechanism,
                store=stored,
                id=cka_id,
                label=label,
                public_template={**PUBLIC_TEMPLATE, **public_attributes},
                private_template={**PRIVATE_TEMPLATE, Attribute.TOKEN: stored},
            )
        except driver.PKCS11Error as error:
            raise translate(error) from None
        self._keep((ObjectClass.PRIVATE_KEY, cka_id, label), private_key)
        return public_key

    def destroy(self, cka_id: bytes) -> None:
        """Removes every object with this CKA_ID; none is fine."""

        def act() -> None:
            for found in list(self._session.get_objects({Attribute.ID: cka_id})):
                found.destroy()

        self.carry_out(act)
        self._handles.clear()

    def seal(self, seed: bytes, aad: bytes) -> SealedSeed:
        """AES-256-GCM in the token under a random 96-bit nonce."""
        nonce = os.urandom(NONCE_SIZE)
        ciphertext: bytes = self.carry_out(
            lambda: self._find(ObjectClass.SECRET_KEY, self.kek_id).encrypt(
                seed, mechanism=Mechanism.AES_GCM, mechanism_param=pkcs11.GCMParams(nonce, aad, _TAG_BITS)
            )
        )
        return SealedSeed(kek_id=self.kek_id, nonce=nonce, ciphertext=ciphertext)

    def unseal(self, seal: SealedSeed, aad: bytes) -> bytes:
        """The seed. Raises SealBroken, KeyNotFound (no such key-encryption key), UnsupportedAlgorithm, TokenLost.

        Tokens report a wrong tag with the same general error as a breakdown. The two are told apart by opening a blob
        of our own: if that works, the token is well and the seal is broken.
        """
        if self.sealing_fault is not None:
            raise UnsupportedAlgorithm("this token does not open sealed keys: AES-GCM does not work in it")
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

        return self.carry_out(act)

    def check_alive(self) -> None:
        """Opens a blob sealed when the session began, if the token can. Raises TokenLost."""
        if self._probe is not None and self.unseal(self._probe, _PROBE_AAD) != _PROBE_PLAINTEXT:
            raise TokenLost("the token opens its own seal wrongly; its signer process starts over")

    def _try_to_seal(self) -> tuple[SealedSeed | None, HsmError | None]:
        """(a probe, why not). Raises KeyNotFound when the key-encryption key is gone: that is never made light of."""
        try:
            return self.seal(_PROBE_PLAINTEXT, _PROBE_AAD), None
        except (UnsupportedAlgorithm, TokenUnavailable) as error:
            return None, error

    def close(self) -> None:
        """Logs out. Errors of a dead device are of no interest any more."""
        try:
            self._session.close()
        except driver.PKCS11Error:
            return

    def _generate_on_curve(
        self, key_type: KeyType, curve: str, mechanism: Mechanism, cka_id: bytes, label: str
    ) -> bytes:
        parameters = {Attribute.EC_PARAMS: encode_named_curve_parameters(curve)}
        public_key = self.generate_pair(
            lambda session: session.create_domain_parameters(key_type, parameters, local=True).generate_keypair,
            mechanism=mechanism,
            cka_id=cka_id,
            label=label,
            public_attributes={},
        )
        return unwrap_octet_string(read_attribute(public_key, Attribute.EC_POINT))

    def look_again(self) -> None:
        """Before a change, which would make SoftHSM believe that it has seen all that others changed until then."""
        self.carry_out(lambda: list(self._session.get_objects({Attribute.LABEL: _NOBODYS_LABEL})))

    def carry_out(self, action: Callable[[], T]) -> T:
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
        """A key that is not found is only missing if the token still has its key-encryption key, and if this process
        began so lately that it sees all there is.
        """
        reported = translate(error)
        if isinstance(reported, KeyNotFound):
            try:
                self._handles.clear()
                self._find(ObjectClass.SECRET_KEY, self.kek_id)
            except driver.PKCS11Error:
                return TokenLost("the token has lost its objects; its signer process starts over")
            if self.clock() - self._began > VIEW_SECONDS:
                return TokenLost("a key is not to be seen; its signer process starts over and looks again")
        elif remedy(error) is not Remedy.NONE:
            return TokenLost(f"the token failed twice ({type(error).__name__}); its signer process starts over")
        return reported

    def _new_session(self) -> Any:
        try:
            return self.token.open(rw=True, user_pin=self._pin.reveal().decode())
        except driver.UserAlreadyLoggedIn:
            return self.token.open(rw=True)

    def _find(self, object_class: ObjectClass, cka_id: bytes, label: str | None = None) -> Any:
        """Raises SealBroken for a key that was made for another use (see hsm/sealing.py)."""
        name = (object_class, cka_id, label)
        key = self._handles.get(name)
        if key is None:
            template = {Attribute.CLASS: object_class, Attribute.ID: cka_id}
            found = list(self._session.get_objects(template))
            if not found:  # another process may be writing it at this moment: SoftHSM reads its folder again
                time.sleep(_SETTLE_SECONDS)
                found = list(self._session.get_objects(template))
            if not found:
                raise driver.NoSuchKey
            if len(found) > 1:
                raise driver.MultipleObjectsReturned
            key = found[0]
            if label is not None and key.label != label:
                raise SealBroken("a key in the token was made for another use or another owner than it is asked for")
            self._keep(name, key)
        return key

    def _keep(self, name: tuple[ObjectClass, bytes, str | None], key: Any) -> None:
        if len(self._handles) >= _MAX_HANDLES:
            self._handles.clear()
        self._handles[name] = key
