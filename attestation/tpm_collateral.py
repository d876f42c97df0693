"""What a verifier brings to TPM evidence: keys it enrolled, its record of earlier evidence, revocation lists."""

from dataclasses import dataclass

from attestation.crl import Crl


@dataclass(frozen=True, slots=True)
class ClockRecord:
    """TPMS_CLOCK_INFO of the last accepted evidence under the same AK: `clock` in milliseconds, and both counters.

    Outside the endorsement and platform hierarchies a TPM adds a constant of the key to both counters (TPM 2.0
    Library, Part 1, 36.7), so records of different keys must not be compared.
    """

    clock: int
    reset_count: int
    restart_count: int


@dataclass(frozen=True, slots=True)
class TpmCollateral:
    """Trust in an AK without a certificate comes from enrolment: by name (nameAlg || H(public area)), which also fixes
    its attributes, or by key (DER SubjectPublicKeyInfo). Keep the name where you have it. Certificates of CAs that are
    no anchors (IDevID and IAK of device makers) are enrolled one by one, by the SHA-256 of their DER.

    `credential_name` is the name of the AK, `credential_ek` the key of the EK (DER SubjectPublicKeyInfo) that the
    caller made a credential for. The secret that comes back proves these two and no others: a credential made for a
    key of the sender's own is opened without any TPM. So an activated credential cannot be judged without both.
    `credential_sha256` (Credential.sha256) is of the credential itself; None leaves its octets unchecked.
    """

    enrolled_names: frozenset[bytes] = frozenset()
    enrolled_keys: frozenset[bytes] = frozenset()
    enrolled_certificates: frozenset[bytes] = frozenset()
    credential_name: bytes | None = None
    credential_ek: bytes | None = None
    credential_sha256: bytes | None = None
    previous: ClockRecord | None = None
    crls: tuple[Crl, ...] = ()
