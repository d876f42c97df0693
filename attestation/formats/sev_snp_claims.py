"""SEV-SNP reports in the schema of claims. Numbers of the vendor keep AMD's names; octets are hex."""

from attestation.claims import Claims, DeviceIdentity, Freshness, Measurement, SecurityLevel, VendorValue, Versions
from attestation.formats.sev_snp_key import Endorsement
from attestation.formats.sev_snp_report import GuestPolicy, Report
from attestation.model import TrustAnchor
from attestation.public_key import describe_key


def build_claims(
    report: Report | None, endorsement: Endorsement | None, *, anchor: TrustAnchor | None, key_spki: bytes | None
) -> Claims:
    """Claims of whatever could be read. The chip's identifier is the serial of the device; the key is the one enrolled,
    which REPORT_DATA names.
    """
    vendor = _endorsement_values(endorsement)
    if report is None:
        return Claims(
            device=_device(endorsement, endorsement.hardware_id if endorsement else None),
            anchor=anchor.name if anchor else None,
            vendor=tuple(sorted(vendor.items())),
        )
    return Claims(
        device=_device(endorsement, report.chip_id if any(report.chip_id) else None),
        key=None if key_spki is None else describe_key(key_spki),
        security_level=SecurityLevel.ENCLAVE,
        measurements=_measurements(report),
        versions=Versions(attestation=report.version),
        debug=bool(report.policy & GuestPolicy.DEBUG),
        freshness=Freshness(report.report_data),
        anchor=anchor.name if anchor else None,
        vendor=tuple(sorted((vendor | _report_values(report)).items())),
    )


def _device(endorsement: Endorsement | None, chip: bytes | None) -> DeviceIdentity:
    return DeviceIdentity(
        manufacturer="AMD",
        product=str(endorsement.product) if endorsement else None,
        model=endorsement.product_name if endorsement else None,
        serial=chip.hex() if chip else None,
    )


def _measurements(report: Report) -> tuple[Measurement, ...]:
    found = [Measurement("launch", report.measurement)]
    if any(report.id_key_digest):
        found.append(Measurement("id_key", report.id_key_digest))
    if report.author_key_en:
        found.append(Measurement("author_key", report.author_key_digest))
    return tuple(found)


def _endorsement_values(endorsement: Endorsement | None) -> dict[str, VendorValue]:
    if endorsement is None:
        return {}
    return {
        "csp_id": endorsement.csp_id,
        "endorsed_tcb": endorsement.tcb.encode(endorsement.product).hex(),
        "endorsement_key": endorsement.kind.name,
    }


def _report_values(report: Report) -> dict[str, VendorValue]:
    launch, current = report.mitigations or (None, None)
    return {
        "chip_id_masked": not any(report.chip_id),
        "committed_tcb": report.committed_tcb.hex(),
        "cpuid": None if report.cpuid is None else bytes(report.cpuid).hex(),
        "current_mitigations": current,
        "current_tcb": report.current_tcb.hex(),
        "family_id": report.family_id.hex(),
        "firmware": ".".join(map(str, report.current_version)),
        "guest_policy": hex(report.policy),
        "guest_svn": report.guest_svn,
        "host_data": report.host_data.hex(),
        "image_id": report.image_id.hex(),
        "launch_mitigations": launch,
        "launch_tcb": report.launch_tcb.hex(),
        "platform_info": hex(report.platform_info),
        "report_id": report.report_id.hex(),
        "report_id_ma": report.report_id_ma.hex(),
        "reported_tcb": report.reported_tcb.hex(),
        "signing_key": None if report.signing_key is None else report.signing_key.name,
        "vmpl": report.vmpl,
    }
