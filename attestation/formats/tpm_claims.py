"""Claims of TPM evidence in the common schema."""

from attestation.claims import (
    Claims,
    DeviceIdentity,
    Freshness,
    KeyClaim,
    Measurement,
    SecurityLevel,
    VendorValue,
)
from attestation.errors import EvidenceError
from attestation.formats.tpm_chain import Path, device_names
from attestation.formats.tpm_parts import Registers
from attestation.public_key import describe_key
from attestation.secure_boot import SecureBoot
from attestation.tpm_structures import ObjectAttribute, QuoteInfo, TpmAttest, TpmPublic

_PURPOSES = {ObjectAttribute.SIGN: "SIGN", ObjectAttribute.DECRYPT: "DECRYPT"}


def key_claim(public: TpmPublic) -> KeyClaim | None:
    """The key of a public area; None when its numbers are no key."""
    try:
        spki = public.spki
    except EvidenceError:
        return None
    origin = "GENERATED" if ObjectAttribute.SENSITIVE_DATA_ORIGIN in public.attributes else "IMPORTED"
    purposes = tuple(text for flag, text in _PURPOSES.items() if flag in public.attributes)
    return describe_key(spki, origin=origin, purposes=purposes)


def measurements(registers: Registers) -> tuple[Measurement, ...]:
    """Named bank:index, such as sha256:7."""
    return tuple(
        Measurement(f"{bank}:{index}", value)
        for bank, values in sorted(registers.items())
        for index, value in sorted(values.items())
    )


def statement_claims(attest: TpmAttest) -> dict[str, VendorValue]:
    """What the TPM signed, flat. Counters are as signed: outside two hierarchies they carry a constant of the key."""
    found: dict[str, VendorValue] = {
        "type": f"0x{attest.type:04x}",
        "clock_ms": attest.clock.clock,
        "clock_safe": attest.clock.safe,
        "reset_count": attest.clock.reset_count,
        "restart_count": attest.clock.restart_count,
        "firmware_version": f"0x{attest.firmware_version:016x}",
        "qualified_signer": attest.qualified_signer.hex(),
    }
    if isinstance(attest.attested, QuoteInfo):
        found["pcr_digest"] = attest.attested.pcr_digest.hex()
        found["pcr_selection"] = " ".join(
            f"{item.bank}:{','.join(map(str, item.registers))}" for item in attest.attested.selections
        )
    return found


def boot_claims(boot: SecureBoot | None, unexplained: tuple[int, ...]) -> dict[str, VendorValue]:
    if boot is None:
        return {}
    return {
        "secure_boot": boot.enabled,
        "secure_boot_db_entries": None if boot.db is None else len(boot.db),
        "secure_boot_dbx_entries": len(boot.dbx),
        "registers_beyond_event_log": ",".join(map(str, unexplained)),
    }


def path_claims(path: Path | None) -> tuple[DeviceIdentity | None, dict[str, VendorValue]]:
    """Device and version from the leaf's subjectAltName, as the maker wrote them."""
    names = {} if path is None else device_names(path.leaf)
    if not names:
        return None, {}
    device = DeviceIdentity(manufacturer=names.get("manufacturer"), model=names.get("model"))
    return device, {"tpm_version": names.get("version")}


def assemble(
    *,
    key: KeyClaim | None,
    path: Path | None,
    challenge: bytes | None,
    registers: Registers | None = None,
    vendor: dict[str, VendorValue],
) -> Claims:
    device, version = path_claims(path)
    return Claims(
        device=device,
        key=key,
        security_level=SecurityLevel.TPM,
        measurements=measurements(registers or {}),
        freshness=None if challenge is None else Freshness(challenge),
        anchor=path.anchor.name if path and path.anchor else None,
        certificate_serials=tuple(item.serial for item in path.certificates) if path else (),
        vendor=tuple(sorted({**vendor, **version}.items())),
    )
