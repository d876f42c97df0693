"""Claims of an Android attestation. Boot state, versions, origin and device identifiers come from hardwareEnforced
only; what the operating system states (application, creation time, module hash) is the word of a verified system.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

from attestation.claims import Claims, Freshness, Measurement, SecurityLevel, VendorValue, Versions
from attestation.formats.android_authorization import IDENTITY_TAGS, AuthorizationList
from attestation.formats.android_chain import AttestKey, certified_level, provisioning, provisioning_info
from attestation.formats.android_key_description import KeyDescription
from attestation.public_key import describe_key
from attestation.x509 import Certificate

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MILLISECONDS: Final = 2**47  # the year 6429; datetime ends at 9999

# Tags told as claims with a common name; all others are vendor claims under their own.
_COMMON: Final = frozenset(
    {"rootOfTrust", "osVersion", "osPatchLevel", "vendorPatchLevel", "bootPatchLevel", "attestationApplicationId"}
    | {"moduleHash", "purpose", "origin", "creationDateTime"}
)


def build_claims(
    chain: tuple[Certificate, ...],
    description: KeyDescription | None,
    *,
    attest_key: AttestKey | None,
    anchor: str | None,
) -> Claims:
    """What the evidence says, as far as it could be read."""
    serials = tuple(certificate.serial for certificate in chain)
    vendor = _vendor_claims(chain, description, attest_key)
    if description is None:
        return Claims(key=describe_key(chain[0].spki), anchor=anchor, certificate_serials=serials, vendor=vendor)
    hardware = description.hardware
    return Claims(
        device=hardware.identity,
        key=describe_key(chain[0].spki, origin=hardware.origin, purposes=hardware.purposes),
        security_level=min(description.attestation_level, description.keymint_level, key=list(SecurityLevel).index),
        boot=hardware.root_of_trust,
        measurements=_measurements(description),
        versions=_versions(description),
        application=description.software.application,
        freshness=Freshness(description.challenge, _created_at(description)),
        anchor=anchor,
        certificate_serials=serials,
        vendor=vendor,
    )


def _vendor_claims(
    chain: tuple[Certificate, ...], description: KeyDescription | None, attest_key: AttestKey | None
) -> tuple[tuple[str, VendorValue], ...]:
    certified = certified_level(chain[2 if attest_key else 1 : -1])
    found: list[tuple[str, VendorValue]] = [
        ("provisioning", str(provisioning(chain))),
        ("certified_level", None if certified is None else str(certified)),
        ("attest_key", attest_key is not None),
        *provisioning_info(chain),
    ]
    if description is not None:
        found += [
            ("attestation_level", str(description.attestation_level)),
            ("keymint_level", str(description.keymint_level)),
            ("tags_ordered", description.software.ordered and description.hardware.ordered),
            ("unique_id", description.unique_id.hex()),
            *_rest("software", description.software),
            *_rest("hardware", description.hardware),
        ]
    return tuple(sorted(found))


def _versions(description: KeyDescription) -> Versions:
    hardware = description.hardware
    return Versions(
        attestation=description.attestation_version,
        implementation=description.keymint_version,
        os=hardware.integer("osVersion"),
        os_patch_level=hardware.integer("osPatchLevel"),
        vendor_patch_level=hardware.integer("vendorPatchLevel"),
        boot_patch_level=hardware.integer("bootPatchLevel"),
    )


def _measurements(description: KeyDescription) -> tuple[Measurement, ...]:
    found: list[Measurement] = []
    boot = description.hardware.root_of_trust
    if boot is not None and boot.hash is not None:
        found.append(Measurement("verified-boot-hash", boot.hash))
    hashes = (description.hardware.module_hash, description.software.module_hash)
    found += [Measurement("module-hash", digest) for digest in hashes if digest is not None]
    return tuple(found)


def _created_at(description: KeyDescription) -> datetime | None:
    milliseconds = description.software.integer("creationDateTime")
    if milliseconds is None:
        milliseconds = description.hardware.integer("creationDateTime")
    if milliseconds is None or milliseconds > _MAX_MILLISECONDS:
        return None
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _rest(prefix: str, tags: AuthorizationList) -> list[tuple[str, VendorValue]]:
    """Tags without a common name. Bytes are written as hex, sets as numbers with commas."""
    rest: list[tuple[str, VendorValue]] = []
    for name, value in tags.values:
        if name in _COMMON or name.startswith("attestationId"):
            continue
        match value:
            case bytes():
                rest.append((f"{prefix}.{name}", value.hex()))
            case frozenset():
                rest.append((f"{prefix}.{name}", ",".join(map(str, sorted(value)))))
            case bool() | int() | str():
                rest.append((f"{prefix}.{name}", value))
            case _:
                pass  # structures have their place in the common claims
    rest += [(f"{prefix}.tag{tag}", value[:64].hex()) for tag, value in tags.unread if tag not in IDENTITY_TAGS]
    return rest
