"""A verdict in words: what evidence of each kind proves, what was not looked at, what to do about a refusal."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from attestation import Verdict

PROVES: Final = {
    "android-key": "a key made in the secure hardware of an Android phone, and the state the phone booted in",
    "apple-app-attest": "a key in the Secure Enclave of an Apple device, used by this app; not the state of the system",
    "apple-app-assertion": "a later sign of life of a key that App Attest attested before",
    "webauthn": "a credential made by an authenticator of this model",
    "intel-sgx": "an SGX enclave with this measurement on a genuine Intel processor",
    "intel-tdx": "a TDX virtual machine with these measurements on a genuine Intel processor",
    "amd-sev-snp": "an SEV-SNP virtual machine with this launch measurement on a genuine AMD processor",
    "aws-nitro": "an AWS Nitro enclave started from an image with these measurements",
    "tpm": "a statement of a genuine TPM: the boot state in its registers, or a key that it holds",
    "azure-vtpm": "the boot state of an Azure confidential VM, vouched for by its processor",
    "arm-psa": "an Arm device with a PSA root of trust, whose maker endorsed its key",
    "arm-cca": "a realm with these measurements on an Arm CCA platform, whose maker endorsed its key",
    "nvidia-gpu": "a genuine NVIDIA GPU in confidential mode, and measurements of its firmware and driver",
    "hallmark-software": "possession of a key kept in software; nothing about the device (the lowest assurance)",
}

NOT_CHECKED: Final = {
    "STATUS_LIST": "whether the vendor has revoked the certificates: no status list was given",
    "KEY_BINDING": "which key it is for: no key was named with --key",
    "LEAF_DATES": "the dates of the device's own certificate, which mean nothing",
    "ISSUER_EXPIRY": "whether factory certificates have expired: they cannot be renewed",
    "PATCH_LEVELS": "how old the system is: the policy sets no floor",
    "APP_IDENTITY": "which app it is: the policy names none",
    "REPORT": "a report: only the endorsement key was given",
    "TCB_FLOOR": "how old the firmware is: the policy sets no floor",
    "VMPL": "the privilege level that asked: the policy names none",
    "RELYING_PARTY": "which site it is for: the policy names neither relying party nor origin",
    "COUNTER": "whether it was seen before: no earlier counter was given with --counter",
    "RECEIPT": "Apple's receipt",
    "AUTHENTICATOR_STATUS": "known weaknesses of this model: no FIDO metadata was given",
    "CHALLENGE": "freshness: the evidence carries no challenge",
    "POSSESSION": "whether the sender holds the key: there are only certificates",
    "ENROLLED_KEY": "a certificate of the key: it is trusted because you enrolled it",
    "AK_ATTRIBUTES": "the attributes of the TPM's key",
    "REVOCATION": "whether an issuer revoked a certificate: no revocation list was given",
    "PCR_VALUES": "the values of the quoted registers",
    "EVENT_LOG": "what booted: there is no event log",
    "MEASUREMENTS": "whether the software is the expected one: the policy has no reference values",
    "TCB_STATUS": "whether the platform is up to date: no collateral of Intel was given",
    "PLATFORM_IDENTITY": "which machine it is: the policy pins none",
    "CLOCK": "whether the TPM was reset since: there is no record of earlier evidence",
    "RIM": "whether driver and VBIOS are good ones: the policy has no reference measurements",
}

ADVICE: Final = {
    "EXPIRED": "Judge old evidence at its own time with --at",
    "STALE_EVIDENCE": "Judge old evidence at its own time with --at",
    "STATUS_LIST_MISSING": "Give the vendor's status list or CRL with --collateral, or --allow-missing-status",
    "STATUS_LIST_STALE": "Fetch the status list again; it counts for a day",
    "STALE_COLLATERAL": "Fetch the collateral again, or judge at its own time with --at",
    "TCB_COLLATERAL_MISSING": "Give Intel's collateral with --collateral, or --allow-missing-status",
    "COLLATERAL_MISSING": "Give the keys of the device with --collateral",
    "UNKNOWN_INSTANCE": "Give the keys of the device with --collateral",
    "UNTRUSTED_AK": "If you enrolled this TPM's key, give it with --collateral (PEM)",
    "UNTRUSTED_ROOT": "If you trust this root, give it with --root",
    "UNTRUSTED_VCEK": "Give the certificate of the chip behind the report; its root with --root if it is your own",
    "CHALLENGE_MISMATCH": "Check --challenge: it is hex, of the very bytes that the device was given",
    "KEY_MISMATCH": "Check --key: it is the key that the device was to bind",
    "LEVEL_NOT_ALLOWED": "The policy wants better hardware; another one can be given with --policy",
    "MALFORMED": "Give the file as the device sent it; what belongs to it (certificates, logs) as further files",
}


def explain(verdict: "Verdict") -> list[str]:
    """Sentences for a person, the answer first."""
    proved = PROVES[verdict.format]
    if verdict.appraised:
        said = [f"This is {proved}. It is genuine, and the policy accepts it."]
    elif verdict.authentic:
        said = [f"This is {proved}. It is genuine, but the policy refuses what it says."]
    else:
        said = [f"It should be {proved}, but nothing vouches for that."]
    said += [f"{finding.reason}: {finding.detail}." for finding in verdict.findings]
    said += [f"Not checked: {NOT_CHECKED[item]}." for item in verdict.not_checked]
    if verdict.reasons and (advice := ADVICE.get(verdict.reasons[0])):
        said.append(f"{advice}.")
    return said
