"""What is known of the token of a home folder, for `hallmark hsm doctor`. A server may run meanwhile: it is left alone.

The examination starts one signer process of its own, signs with a key made for that, and reads; it makes nothing.
"""

from dataclasses import dataclass

from hsm.custody import KekFact
from hsm.doctor import Finding, Level, diagnose, worst
from hsm.errors import HsmError
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.provider import HsmCapabilities, HsmHealth, KeyProvider
from hsm.slot_health import SlotHealth
from kms.app.hsm import has_token, make_provider
from kms.config import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """`capabilities` is None when the token did not start; `health` when nothing signed."""

    capabilities: HsmCapabilities | None
    health: HsmHealth | None
    slots: tuple[SlotHealth, ...]
    keks: tuple[KekFact, ...]
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        return worst(self.findings) is not Level.PROBLEM


async def examine(config: Config) -> Examination:
    """Never sets a token up: a home without one is a finding."""
    if not has_token(config):
        return _nothing_there(config)
    provider = make_provider(config)
    try:
        return await examine_provider(provider)
    finally:
        await provider.close()


async def examine_provider(provider: KeyProvider | Pkcs11KeyProvider) -> Examination:
    """Of a provider that was not started yet."""
    capabilities: HsmCapabilities | None = None
    keks: tuple[KekFact, ...] = ()
    slots: tuple[SlotHealth, ...] = ()
    outcome: HsmHealth | HsmError
    try:
        await provider.start()
        capabilities = await provider.capabilities()
        outcome = await provider.health()
        slots = outcome.slots
        keks = await provider.list_keks()
    except HsmError as error:
        outcome = error
    return Examination(
        capabilities=capabilities,
        health=None if isinstance(outcome, HsmError) else outcome,
        slots=slots,
        keks=keks,
        findings=diagnose(capabilities=capabilities, health=outcome, slots=slots, keks=keks),
    )


def _nothing_there(config: Config) -> Examination:
    says = f"no token was set up in {config.path('hsm')}"
    advice = "`hallmark serve` sets one up at its first start; --home says where"
    finding = Finding(check="token", level=Level.PROBLEM, says=says, advice=advice)
    return Examination(capabilities=None, health=None, slots=(), keks=(), findings=(finding,))
