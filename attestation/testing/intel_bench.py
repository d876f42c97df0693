"""What the Intel factories work with: a maker, a platform, and cases that differ from a good one in one thing."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from attestation.case import Case
from attestation.formats.intel import evidence
from attestation.formats.intel_quote import Tee
from attestation.model import Collateral, Expectation
from attestation.policy import Policy
from attestation.policy_intel import IntelPolicy
from attestation.reasons import Reason
from attestation.testing.intel_pcs import PcsState, virtual_collateral
from attestation.testing.intel_platform import VirtualIntel, VirtualPlatform
from attestation.testing.intel_quote import QE, TD_QE, EnclaveState, TdState
from attestation.x509 import parse_certificate

CHALLENGE: Final = b"challenge of the evidence factory"


@dataclass(frozen=True, slots=True)
class Bench:
    """A good platform for one TEE, as of a time."""

    tee: Tee
    maker: VirtualIntel
    platform: VirtualPlatform
    now: datetime

    @classmethod
    def create(cls, tee: Tee, *, now: datetime) -> Self:
        maker = VirtualIntel.create(now=now)
        return cls(tee, maker, maker.platform(now=now), now)

    def state(self, **fields: Any) -> EnclaveState | TdState:
        return EnclaveState(**fields) if self.tee is Tee.SGX else TdState(**fields)

    @property
    def quoting_enclave(self) -> EnclaveState:
        return QE if self.tee is Tee.SGX else TD_QE

    def quote(self, state: EnclaveState | TdState | None = None, **changes: Any) -> bytes:
        given = {"report_data": CHALLENGE, **({"version": 3} if self.tee is Tee.SGX else {}), **changes}
        return self.platform.quote(state or self.state(), **given)

    def case(self, quote: bytes | None = None, *, event_log: bytes | None = None, **policy: Any) -> Case:
        """A case that is accepted, or would be with a good quote; `policy` are fields of IntelPolicy."""
        return Case(
            evidence=evidence(quote or self.quote(), event_log=event_log),
            expectation=Expectation(CHALLENGE),
            anchors=self.maker.anchors,
            collateral=self.collateral(),
            policy=Policy(intel=IntelPolicy(**policy)),
            at=self.now,
        )

    def collateral(self, **state: Any) -> Collateral:
        return Collateral(intel=virtual_collateral(self.maker, PcsState(**{"tee": self.tee} | state), now=self.now))

    def serial(self, index: int) -> int:
        """Serial of a certificate of the platform's chain."""
        return int(parse_certificate(self.platform.pck.chain[index]).serial, 16)


Maker = Callable[[Bench], Case]
Table = dict[str, tuple[Reason, Maker]]


def quoted(state: dict[str, Any] | None = None, **changes: Any) -> Maker:
    """A quote of another state, or of another form."""
    return lambda bench: bench.case(bench.quote(bench.state(**(state or {})), **changes))


def cut(change: Callable[[bytes], bytes]) -> Maker:
    """The bytes of a good quote, changed."""
    return lambda bench: bench.case(change(bench.quote()))


def pcs(**state: Any) -> Maker:
    """Other collateral."""
    return lambda bench: replace(bench.case(), collateral=bench.collateral(**state))


def ruled(**policy: Any) -> Maker:
    """Another policy."""
    return lambda bench: bench.case(**policy)


def on(platform: Callable[[Bench], VirtualPlatform]) -> Maker:
    """The same quote from another platform."""
    return lambda bench: replace(bench, platform=platform(bench)).case()
