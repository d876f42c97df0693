"""A bridge as what vouches for the device: its key is the device's key, its evidence enrols it (life/attester.py)."""

from dataclasses import dataclass

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.life.attester import DeviceKey, Proof
from hallmark_client.model.devices import Challenge, TpmKeys
from hallmark_client.model.enums import ChallengePurpose, EvidenceFormat

from .bridge import BridgeRoot


@dataclass(frozen=True, slots=True)
class BridgeKey:
    """`DeviceKey`: the private half stays with the bridge."""

    bridge: BridgeRoot

    @property
    def spki(self) -> bytes:
        return self.bridge.claim.key

    def sign(self, message: bytes) -> bytes:
        return self.bridge.sign(message)


@dataclass(frozen=True, slots=True)
class BridgeAttester:
    """`Attester`. With `bridge.believe(device)` after the enrolment, its facts count as it states them."""

    bridge: BridgeRoot

    @property
    def purpose(self) -> ChallengePurpose:
        software = self.bridge.claim.evidence is EvidenceFormat.SOFTWARE
        return ChallengePurpose.SOFTWARE_SEALED if software else ChallengePurpose.FIRST_BOOT

    def key(self) -> DeviceKey | None:
        """Raises RootUnavailable for a bridge that has none: an attester without a key vouches for nothing."""
        if not self.bridge.claim.key:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this bridge has no key to attest: enrol with another attester")
        return BridgeKey(self.bridge)

    def tpm_keys(self) -> TpmKeys | None:
        return None

    def prove(self, challenge: Challenge, key: DeviceKey) -> Proof:
        if key.spki != self.bridge.claim.key:
            raise RootUnavailable("ROOT_UNAVAILABLE", "this bridge attests its own key only")
        return Proof(evidence=self.bridge.attest(challenge.challenge), challenge=challenge.challenge)
