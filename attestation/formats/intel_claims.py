"""Claims of an Intel quote. What is zero by default (MRCONFIGID and the like) is told only where it says something."""

from typing import Final

from attestation.claims import Claims, DeviceIdentity, Freshness, Measurement, SecurityLevel, VendorValue, Versions
from attestation.formats.intel_levels import TcbEvaluation
from attestation.formats.intel_pck import Platform
from attestation.formats.intel_quote import EnclaveReport, Quote, TdReport
from attestation.intel_collateral import IntelCollateral
from attestation.policy_intel import TD_UNDER_DEBUG, SgxFlag
from attestation.public_key import describe_key
from attestation.x509 import COMMON_NAME, Certificate

_ATTRIBUTE_BYTES: Final = 8


def build_claims(
    quote: Quote,
    chain: tuple[Certificate, ...],
    platform: Platform | None,
    *,
    anchor: str | None,
    bound_key: bytes | None,
) -> Claims:
    """What the quote and the platform's certificate say. `bound_key` is the key that the report data names."""
    return Claims(
        device=None if platform is None else DeviceIdentity(manufacturer="Intel", serial=platform.ppid.hex()),
        key=None if bound_key is None else describe_key(bound_key),
        security_level=SecurityLevel.ENCLAVE,
        measurements=measurements(quote.body),
        versions=Versions(attestation=quote.version),
        debug=is_debug(quote.body),
        freshness=Freshness(quote.body.report_data),
        anchor=anchor,
        certificate_serials=tuple(certificate.serial for certificate in chain),
        vendor=tuple(sorted((*_quote_claims(quote), *_platform_claims(chain, platform)))),
    )


def is_debug(body: EnclaveReport | TdReport) -> bool:
    """Can the host look into it? SGX: DEBUG; TDX: any bit of the group TUD (TD under debug)."""
    if isinstance(body, EnclaveReport):
        return bool(body.flags & SgxFlag.DEBUG)
    return bool(body.td_attributes & TD_UNDER_DEBUG)


def measurements(body: EnclaveReport | TdReport) -> tuple[Measurement, ...]:
    if isinstance(body, EnclaveReport):
        return (Measurement("mrenclave", body.mr_enclave), Measurement("mrsigner", body.mr_signer))
    always = (("mrtd", body.mr_td), *((f"rtmr{index}", value) for index, value in enumerate(body.rtmrs)))
    told = (
        ("mrconfigid", body.mr_config_id),
        ("mrowner", body.mr_owner),
        ("mrownerconfig", body.mr_owner_config),
        ("mrservicetd", body.mr_service_td or b""),
    )
    named = (*always, ("mrseam", body.mr_seam), *(pair for pair in told if any(pair[1])))
    return tuple(Measurement(name, value) for name, value in named)


def tcb_claims(collateral: IntelCollateral, evaluation: TcbEvaluation | None) -> tuple[tuple[str, VendorValue], ...]:
    """What Intel says of the platform, as vendor claims; the status is None below every level."""
    found: list[tuple[str, VendorValue]] = [
        ("tcb_evaluation_data_number", collateral.tcb_info.validity.evaluation_number),
        ("tcb_status", str(evaluation.status) if evaluation else None),
    ]
    if evaluation is not None:
        found += [
            ("tcb_date", evaluation.date.isoformat()),
            ("tcb_advisories", ",".join(evaluation.advisories)),
        ]
    return tuple(found)


def _quote_claims(quote: Quote) -> list[tuple[str, VendorValue]]:
    common: list[tuple[str, VendorValue]] = [
        ("tee", str(quote.tee)),
        ("qe_user_data", quote.user_data.hex()),
        ("trailing_bytes", quote.trailing_bytes),
        ("qe_isv_svn", quote.qe.report.isv_svn),
    ]
    body = quote.body
    if isinstance(body, EnclaveReport):
        return [
            *common,
            ("attributes", body.attributes.hex()),
            ("misc_select", body.misc_select.hex()),
            ("config_id", body.config_id.hex() if any(body.config_id) else None),
            ("isv_prod_id", body.isv_prod_id),
            ("isv_svn", body.isv_svn),
            ("cpu_svn", body.cpu_svn.hex()),
        ]
    return [
        *common,
        ("td_attributes", body.td_attributes.to_bytes(_ATTRIBUTE_BYTES, "little").hex()),
        ("xfam", body.xfam.to_bytes(_ATTRIBUTE_BYTES, "little").hex()),
        ("tee_tcb_svn", body.tee_tcb_svn.hex()),
        ("tee_tcb_svn_2", body.tee_tcb_svn_2.hex() if body.tee_tcb_svn_2 is not None else None),
    ]


def _platform_claims(chain: tuple[Certificate, ...], platform: Platform | None) -> list[tuple[str, VendorValue]]:
    issuer: list[tuple[str, VendorValue]] = [("pck_ca", chain[1].subject.get(COMMON_NAME))] if len(chain) > 1 else []
    if platform is None:
        return issuer
    return [*issuer, ("fmspc", platform.fmspc.hex()), ("pce_id", platform.pce_id.hex()), ("pce_svn", platform.pce_svn)]
