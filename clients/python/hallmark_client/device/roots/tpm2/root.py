"""TPM 2.0 as a vault's root of trust.

A secret is encrypted under 32 random bytes, and those are sealed in the TPM under a policy: the vault's counter stands
at the epoch; then, as asked for, the boot state, a deadline, a number of uses. The epoch is the counter itself, so
`advance` is one TPM2_NV_Increment, after which the TPM opens nothing of before, wherever a copy was kept.

Source: TPM 2.0 Library 1.59, Parts 1 to 3.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from hallmark_client.device.errors import RootFailed, RootUnavailable
from hallmark_client.device.roots import sealed
from hallmark_client.device.roots.port import EpochEvidence, Limits, RootFacts
from hallmark_client.device.roots.state_file import StateFile
from hallmark_client.device.roots.tpm2 import templates
from hallmark_client.device.roots.tpm2.blob import Conditions, Sealed, parse_blob
from hallmark_client.device.roots.tpm2.chip import Chip
from hallmark_client.device.roots.tpm2.connection import DEFAULT_TCTI, connected
from hallmark_client.device.roots.tpm2.facts import read_facts, root_facts
from hallmark_client.device.roots.tpm2.making import finish, found_or_begun
from hallmark_client.device.roots.tpm2.policies import digest_of
from hallmark_client.device.roots.tpm2.sealing import seal_key, unseal_key
from hallmark_client.device.roots.tpm2.state import STATE_MAX
from hallmark_client.device.roots.tpm2.uses import USES_END, UseCounters
from hallmark_client.system import System

NV_CERTIFY: Final = "nv-certify"
NV_SIGNATURE: Final = "nv-signature"
NV_PUBLIC: Final = "nv-public"

AuthValue = Callable[[], bytes | bytearray]
"""Asked for once, when the root is opened. A bytearray is wiped after use."""

_SECONDS_MAX: Final = 1 << 53
_PCRS: Final = range(24)


def open_tpm2_root(
    state: Path,
    *,
    tcti: str | None = None,
    auth: AuthValue | None = None,
    owner_auth: AuthValue | None = None,
    pcrs: tuple[int, ...] = (),
    system: System | None = None,
) -> "Tpm2Root":
    """Makes the root, and the file `state` (mode 0600, below 64 KiB) in its folder (0700), where there is none.

    tcti: which TPM, as the TSS spells it ("device:/dev/tpmrm0", the default; "swtpm:path=SOCKET"). auth: what opens
    beside the TPM and the file, such as a PIN, guarded by the TPM against guessing. owner_auth: of the TPM's storage
    hierarchy, needed where it is not empty: to make the root, for limits on uses, and at every call where the TPM has
    no storage key at 0x81000001. pcrs: 0 to 23, of the SHA-256 bank; what is sealed opens only while they are as now.

    Raises RootUnavailable: no TPM or no package tpm2-pytss, a wrong value; RootLost: another TPM, or it was cleared.
    """
    if not set(pcrs) <= set(_PCRS) or len(set(pcrs)) != len(pcrs):
        raise ValueError("pcrs are different numbers from 0 to 23")
    system, tcti = system or System(), tcti or DEFAULT_TCTI
    file = StateFile(state, max_bytes=STATE_MAX)
    given, owner = asked(auth), asked(owner_auth)
    try:
        file.make_folder()
        with file.locked():
            found = found_or_begun(
                file, tcti, protected=bool(given), owner_auth=owner, random_bytes=system.random_bytes
            )
            chip = Chip(tcti=tcti, state=found, auth_value=found.auth_value(given), owner_auth=owner)
            finish(chip, file)
        with connected(tcti) as connection:
            facts = root_facts(read_facts(connection), protected=bool(given), pcrs=pcrs)
    except RootFailed:
        sealed.wipe(owner)
        raise
    finally:
        sealed.wipe(given)
    return Tpm2Root(chip, file, facts, pcrs=tuple(sorted(pcrs)), system=system)


class Tpm2Root:
    """`RootOfTrust`. Nothing of it stays in the TPM between two calls but the counters."""

    def __init__(self, chip: Chip, file: StateFile, facts: RootFacts, *, pcrs: tuple[int, ...], system: System) -> None:
        self._chip = chip
        self._file = file
        self._facts = facts
        self._pcrs = pcrs
        self._random_bytes = system.random_bytes
        self._uses = UseCounters(file, system.random_bytes)
        self._closed = False

    @property
    def facts(self) -> RootFacts:
        return self._facts

    @property
    def chip(self) -> Chip:
        """For what else the TPM of this root does (TpmAttester). Raises RootUnavailable when it was closed."""
        if self._closed:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this root of trust was closed: open it again")
        return self._chip

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        sealed.check_sealing(secret, label=label, limits=limits, powers=self._facts.powers)
        limits = limits or Limits()
        uses, seconds = limits.max_uses, limits.not_after_seconds
        if (uses or 0) >= USES_END or (seconds or 0) > _SECONDS_MAX:
            raise ValueError(f"the TPM counts at most {USES_END - 1} uses, and {_SECONDS_MAX} seconds from now")
        key = bytearray(self._random_bytes(sealed.KEY_SIZE))
        try:
            with self._file.locked(), self.chip.reached() as here:
                sealed.check_present_or_next(epoch, present=here.count(here.counter()))
                index, name = (None, b"") if uses is None else self._uses.make(here, uses, epoch=epoch)
                deadline = None if seconds is None else here.clock()[0] + seconds * 1000
                boot = here.registers_sha256(self._pcrs)
                held = Conditions(epoch=epoch, deadline=deadline, uses=index, pcrs=self._pcrs, pcrs_sha256=boot)
                policy = digest_of(here.steps(held, uses_name=name))
                public, private = seal_key(here, key, policy)
            blob = Sealed(conditions=held, label=label, public=public, private=private)
            return replace(
                blob,
                ciphertext=sealed.seal(key, secret, aad=blob.associated_data(), random_bytes=self._random_bytes),
            ).to_bytes()
        finally:
            sealed.wipe(key)

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        sealed.check_label(label)
        found = parse_blob(blob)
        with self.chip.reached() as here:
            counter = here.counter()
            present = here.count(counter)
            if epoch != present:
                raise sealed.epoch_is_not(epoch, present=present)
            if (found.label, found.conditions.epoch) != (label, epoch):
                raise sealed.not_sealed_here()
            key = unseal_key(here, found, counter)
        try:
            return sealed.open_sealed(key, found.ciphertext, aad=found.associated_data())
        finally:
            sealed.wipe(key)

    def epoch(self) -> int:
        with self.chip.reached() as here:
            return here.count(here.counter())

    def advance(self, to: int) -> None:
        with self._file.locked(), self.chip.reached() as here:
            counter = here.counter()
            present = here.count(counter)
            sealed.check_present_or_next(to, present=present)
            if to != present:
                here.connection.esapi.nv_increment(counter, session1=here.session)
            self._uses.sweep(here, before=to)

    def evidence(self, nonce: bytes) -> EpochEvidence | None:
        """parts: nv-certify (TPMS_ATTEST), nv-signature (TPMT_SIGNATURE), nv-public (TPMS_NV_PUBLIC), for evidence of
        format tpm by the attestation key of this root (Part 3, 31.16: TPM2_NV_Certify).
        """
        sealed.check_nonce(nonce)
        with self.chip.reached() as here:
            tss, esapi = here.connection.tss, here.connection.esapi
            counter, key = here.counter(), here.attestation_key()
            scheme = tss.TPMT_SIG_SCHEME(scheme=tss.TPM2_ALG.NULL)
            second = here.connection.hmac_session(here.parent, encrypts=False)  # a session authorizes one handle only
            statement, signature = esapi.nv_certify(
                key, counter, nonce, scheme, templates.COUNTER_BYTES, session1=here.session, session2=second
            )
            certified = bytes(statement)
            public, _ = esapi.nv_read_public(counter)
            parts = {
                NV_CERTIFY: certified,
                NV_SIGNATURE: signature.marshal(),
                NV_PUBLIC: public.nvPublic.marshal(),
            }
        return EpochEvidence(epoch=int.from_bytes(certified[-templates.COUNTER_BYTES :]), parts=parts)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._chip.wipe()


def asked(value: AuthValue | None) -> bytearray:
    if value is None:
        return bytearray()
    answer = value()
    kept = bytearray(answer)
    if isinstance(answer, bytearray):
        sealed.wipe(answer)
    return kept
