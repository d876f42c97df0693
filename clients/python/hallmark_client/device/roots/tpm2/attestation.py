"""The TPM of a root attests the device: its attestation key enrols by an activated credential, then quotes.

Names of evidence parts: docs/attestation-evidence.md, format tpm.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.life.attester import DeviceKey, Proof
from hallmark_client.device.roots import sealed
from hallmark_client.device.roots.tpm2.chip import Reached
from hallmark_client.device.roots.tpm2.failures import WRONG_AUTH, code_of
from hallmark_client.device.roots.tpm2.root import AuthValue, Tpm2Root, asked
from hallmark_client.device.roots.tpm2.signing import TpmKey
from hallmark_client.model.devices import Challenge, Evidence, TpmCredential, TpmKeys
from hallmark_client.model.enums import ChallengePurpose, EvidenceFormat

BOOT_REGISTERS: Final = tuple(range(8))
"""Those that firmware extends (TCG PC Client Platform Firmware Profile 1.06, 3.3.4)."""
BOOT_LOG: Final = Path("/sys/kernel/security/tpm0/binary_bios_measurements")

_KINDS: Final = ("EK-ECC256", "EK-RSA2048")
"""Low-range templates of the TCG EK Credential Profile 2.5, B.3, in the order in which a certificate is looked for."""
_BOOT_LOG_MAX: Final = 1024 * 1024
_RAW_CHALLENGE_MAX: Final = 64
_QUOTE_TRIES: Final = 3
_TPM2B_HEAD: Final = 2


class TpmAttester:
    """`Attester` of hallmark_client.device.life: the device's key is the attestation key of the root.

    quotes: answer with a quote of the boot state. A service that does not know the attestation key yet believes none of
    its quotes: enrol without, once. endorsement_auth: of the TPM's endorsement hierarchy, where it is not empty; asked
    for once. boot_log: the firmware's event log, sent with quotes where it is there, readable, and at most 1 MiB.

    Every call raises RootUnavailable or RootLost as the root does.
    """

    def __init__(
        self,
        root: Tpm2Root,
        *,
        quotes: bool = False,
        endorsement_auth: AuthValue | None = None,
        boot_log: Path | None = BOOT_LOG,
    ) -> None:
        self._root = root
        self._quotes = quotes
        self._endorsement_auth = asked(endorsement_auth)
        self._boot_log = boot_log

    @property
    def purpose(self) -> ChallengePurpose:
        return ChallengePurpose.FIRST_BOOT

    def key(self) -> TpmKey:
        return TpmKey(self._root)

    def tpm_keys(self) -> TpmKeys | None:
        """None where it quotes."""
        return None if self._quotes else self.keys()

    def keys(self) -> TpmKeys:
        """For `client.devices.create_challenge(tpm=...)`. ek_certificates: as the maker left it, if any."""
        with self._root.chip.reached() as here:
            _, public, certificate = self._endorsement_key(here)
            return TpmKeys(
                ak_public=_bare(here.chip.state.ak_public),
                ek_public=public,
                ek_certificates=(certificate,) if certificate else (),
            )

    def prove(self, challenge: Challenge, key: DeviceKey) -> Proof:
        """Opens the credential of the challenge; without one, quotes, and binds `key` where it is another one."""
        if challenge.tpm_credential is not None:
            return self.activate(challenge.tpm_credential)
        other = None if key.spki == self.key().spki else key.spki
        return Proof(evidence=self.quote(challenge.challenge, key_spki=other), challenge=challenge.challenge)

    def activate(self, credential: TpmCredential) -> Proof:
        """Opens the credential (TPM2_ActivateCredential), which shows that both keys are in this TPM.

        Raises RootUnavailable for a credential that was made for other keys, or changed.
        """
        with self._root.chip.reached() as here:
            handle, public, certificate = self._endorsement_key(here)
            secret = self._opened(here, handle, credential)
            parts = [
                ("ek-public", public),
                ("ak-public", _bare(here.chip.state.ak_public)),
                ("id-object", credential.credential_blob),
                ("encrypted-secret", credential.encrypted_secret),
                ("activated-secret", secret),
            ]
        parts += [("ek-certificate", certificate)] if certificate else []
        return Proof(evidence=Evidence(format=EvidenceFormat.TPM, parts=tuple(parts)), challenge=secret)

    def quote(
        self, challenge: bytes, *, key_spki: bytes | None = None, registers: tuple[int, ...] = BOOT_REGISTERS
    ) -> Evidence:
        """TPM2_Quote of PCRs of the SHA-256 bank. key_spki: another key to bind (DER): the attested one then."""
        selected = tuple(sorted(registers))
        with self._root.chip.reached() as here:
            values, statement, signature = _quoted(here, _qualifying_data(challenge, key_spki), selected)
            ak_public = _bare(here.chip.state.ak_public)
        parts = [("tpms-attest", statement), ("tpmt-signature", signature), ("ak-public", ak_public)]
        parts += [(f"pcr.sha256.{index}", value) for index, value in values.items()]
        log = _read_log(self._boot_log)
        parts += [("event-log", log)] if log else []
        return Evidence(format=EvidenceFormat.TPM, parts=tuple(parts))

    def close(self) -> None:
        """Forgets the authorization value; the root stays open."""
        sealed.wipe(self._endorsement_auth)

    def _endorsement_key(self, here: Reached) -> tuple[Any, bytes, bytes]:
        """Handle, TPMT_PUBLIC, certificate (empty: none). The kind that the maker certified, else ECC P-256."""
        tss, esapi = here.connection.tss, here.connection.esapi
        utils = tss.utils
        read = utils.NVReadEK(esapi)
        found = [utils.create_ek_template(kind, read) for kind in _KINDS]
        certificate, template = next((each for each in found if each[0]), found[0])
        esapi.tr_set_auth(tss.ESYS_TR.ENDORSEMENT, bytes(self._endorsement_auth))
        try:
            handle, public, *_ = esapi.create_primary(
                tss.TPM2B_SENSITIVE_CREATE(), template, tss.ESYS_TR.ENDORSEMENT, session1=here.session
            )
        except tss.TSS2_Exception as error:
            if code_of(error) in WRONG_AUTH:
                raise _endorsement_refuses() from error
            raise
        return here.connection.keep(handle), public.publicArea.marshal(), bytes(certificate or b"")

    def _opened(self, here: Reached, endorsement_key: Any, credential: TpmCredential) -> bytes:
        tss, esapi = here.connection.tss, here.connection.esapi
        ak = here.attestation_key()
        session = here.connection.policy_session(here.parent, encrypts=False)
        try:
            blob, _ = tss.TPM2B_ID_OBJECT.unmarshal(credential.credential_blob)
            encrypted, _ = tss.TPM2B_ENCRYPTED_SECRET.unmarshal(credential.encrypted_secret)
            esapi.policy_secret(tss.ESYS_TR.ENDORSEMENT, session, expiration=0, session1=here.session)
            secret = esapi.activate_credential(
                ak, endorsement_key, blob, encrypted, session1=here.session, session2=session
            )
        except tss.TSS2_Exception as error:
            if code_of(error) is None:
                raise
            raise RootUnavailable(
                "ROOT_UNAVAILABLE", f"the TPM does not open this credential: it was made for other keys ({error})"
            ) from error
        return bytes(secret)


def _quoted(here: Reached, data: bytes, selected: tuple[int, ...]) -> tuple[dict[int, bytes], bytes, bytes]:
    """Register values, TPMS_ATTEST, TPMT_SIGNATURE. Taken again when a register changed in between."""
    tss, esapi = here.connection.tss, here.connection.esapi
    key = here.attestation_key()
    scheme = tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.NULL)
    banks = "sha256:" + ",".join(map(str, selected))
    for _ in range(_QUOTE_TRIES):
        statement, signature = esapi.quote(key, banks, data, scheme, session1=here.session)
        values = here.connection.read_registers(selected)
        quoted = tss.TPMS_ATTEST.unmarshal(bytes(statement))[0].attested.quote.pcrDigest
        if bytes(quoted) == hashlib.sha256(b"".join(values.values())).digest():
            return values, bytes(statement), signature.marshal()
    raise RootUnavailable("ROOT_UNAVAILABLE", "the registers change faster than they can be quoted: try again")


def _qualifying_data(challenge: bytes, key_spki: bytes | None) -> bytes:
    """As the service compares it: the challenge, hashed where it is longer than 64 bytes, or with the key to bind."""
    if key_spki is not None:
        return hashlib.sha256(challenge + key_spki).digest()
    return challenge if len(challenge) <= _RAW_CHALLENGE_MAX else hashlib.sha256(challenge).digest()


def _read_log(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        with path.open("rb") as file:
            data = file.read(_BOOT_LOG_MAX + 1)
    except OSError:  # no such log here, or only for root: the quote stands without it
        return b""
    return data if len(data) <= _BOOT_LOG_MAX else b""


def _bare(public: bytes) -> bytes:
    """TPMT_PUBLIC out of TPM2B_PUBLIC."""
    return public[_TPM2B_HEAD:]


def _endorsement_refuses() -> RootUnavailable:
    return RootUnavailable(
        "ROOT_UNAVAILABLE",
        "the TPM's endorsement authorization is needed and the one given is wrong: give the right one",
    )
