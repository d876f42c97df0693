"""Step: the phone's first boot with the device SDK: a vault, an attested key, a certificate of its own."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown
from hallmark_client.device.life import Device, DeviceKey, Proof
from hallmark_client.device.model import Caller
from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.passphrase import open_passphrase_root
from hallmark_client.model.devices import Challenge, Evidence, TpmKeys
from hallmark_client.model.enums import ChallengePurpose, EvidenceFormat
from hallmark_client.profile import Profile
from kms.cli.demo.ota_stage import MODEL, OtaStage
from kms.cli.demo.stage import Stage, hold
from kms.cli.output import moment, short

if TYPE_CHECKING:
    from attestation.testing import VirtualPhone

APP: Final = Caller(application="assistant")
"""The app on the phone that uses the model."""


@dataclass(frozen=True, slots=True)
class PhoneAttester:
    """The virtual phone vouches for the key of its vault: its maker's chain over a fresh challenge."""

    phone: "VirtualPhone"

    @property
    def purpose(self) -> ChallengePurpose:
        return ChallengePurpose.FIRST_BOOT

    def key(self) -> DeviceKey | None:
        return None

    def tpm_keys(self) -> TpmKeys | None:
        return None

    def prove(self, challenge: Challenge, key: DeviceKey) -> Proof:
        leaf = self.phone.leaf(key.spki, self.phone.description_extension(challenge.challenge))
        evidence = Evidence(format=EvidenceFormat.ANDROID_KEY, certificates=(leaf, *self.phone.attester.chain))
        return Proof(evidence=evidence, challenge=challenge.challenge)


def enrol_phone(stage: Stage) -> Sequence[str]:
    """The profile that it boots with may ask for challenges only; from then on it speaks for itself."""
    ota = stage.ota
    ota.phone.mkdir(parents=True)
    passphrase = secrets.token_hex(16).encode()
    ota.root = open_passphrase_root(ota.phone / "root.json", lambda: bytearray(passphrase))
    ota.device = Device.enrol(
        ota.vault,
        bootstrap=Profile.load(stage.home / "clients" / "device"),
        root=ota.root,
        attester=PhoneAttester(stage.phone),
        policy=VaultPolicy.allow_own(APP.application),
    )
    known, facts = stage.client("auditor").devices.get(ota.device.name), ota.device.facts()
    hold(known.hpke_key is not None, f"the service knows no key to seal to for {short(ota.device.name)}")
    ota.device.start()
    return (
        f"{short(ota.device.name)}: its key is attested by the virtual phone",
        f"a certificate of its own until {moment(facts.certificate_expire_time)}, which it will renew by itself",
        "its HPKE key (ML-KEM-768 and X25519) is registered: what is sealed to that, this phone alone can open",
        f"an empty vault under a {facts.root.name} root ({facts.root.assurance.value}; that of a TPM: hardware)",
    )


def boot_phone(stage: Stage) -> None:
    """It was enrolled before, and needs nobody for that."""
    assert stage.ota.root is not None
    stage.ota.device = Device.open(stage.ota.vault, root=stage.ota.root, attester=PhoneAttester(stage.phone))
    stage.ota.device.start()


def is_usable(ota: OtaStage) -> bool:
    """Whether the app gets bytes of the model now."""
    vault = ota.running().vault
    try:
        path = vault.find(MODEL).parts[0].path
        with vault.get(MODEL, part=path, caller=APP) as reader:
            return len(reader.pread(0, 1)) == 1
    except (ArtifactSuspended, ArtifactUnknown):
        return False


def has_model(ota: OtaStage) -> bool:
    """Whether anything of it is in the vault: a row, or an encrypted file."""
    files = [path for path in (ota.vault / "blobs").rglob("*") if path.is_file()]
    return bool(files or ota.running().vault.artifacts())
