"""Policy for WebAuthn registrations: relying party, kinds of statement, models of authenticators."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WebAuthnPolicy:
    """What a registration must look like. `rp_ids` and `origins` are the relying party's own; an empty set means that
    they are not checked, and the verdict says so.

    `aaguids` are the allowed models (16 bytes each); None allows all. `tolerated_statuses` are AuthenticatorStatus
    values of FIDO metadata (such as "USER_KEY_PHYSICAL_COMPROMISE") that would refuse, and are accepted here.
    `certification_levels` are values of which the metadata must report one ("FIDO_CERTIFIED_L2"); empty demands none.
    `metadata_signers` are the names that the signer of the metadata may have: the root above it certifies web sites of
    all the world.

    SHA-1 is allowed in TPM statements: Windows Hello has signed with it (COSE algorithm RS1) for as long as it exists,
    and what is signed is made by the TPM around unpredictable values. It is never allowed anywhere else.
    `allow_unprotected_tpm_keys` accepts keys that a TPM certified although they were made elsewhere or may leave it;
    the specification does not look at that.
    `allow_software_android_keys` accepts android-key statements of keys that live in software, as WebAuthn (8.4) lets a
    relying party do; such a key proves little more than self attestation does.
    """

    rp_ids: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    require_user_presence: bool = True
    require_user_verification: bool = False
    allow_self_attestation: bool = False
    allow_software_android_keys: bool = False
    allow_sha1_tpm_statements: bool = True
    allow_unprotected_tpm_keys: bool = False
    aaguids: frozenset[bytes] | None = None
    require_metadata: bool = False
    certification_levels: frozenset[str] = frozenset()
    tolerated_statuses: frozenset[str] = frozenset()
    metadata_signers: frozenset[str] = frozenset({"mds.fidoalliance.org", "mds3.fidoalliance.org"})
