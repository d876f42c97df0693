import asyncio

import pytest

from hsm.errors import TokenUnavailable
from hsm.testing import FakeKeyProvider, Operation
from kms.keys.hsm_health import HsmHealthCheck
from support.clock import FakeClock


async def test_many_who_ask_cost_one_probe_and_the_outcome_ages() -> None:
    provider, clock = FakeKeyProvider(), FakeClock()
    await provider.start()
    check = HsmHealthCheck(provider, clock)
    provider.fail_next(Operation.HEALTH, TokenUnavailable("gone"))
    outcomes = await asyncio.gather(*(check.check() for _ in range(20)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {TokenUnavailable}
    clock.advance(0.5)
    with pytest.raises(TokenUnavailable):
        await check.check()
    clock.advance(0.6)
    await check.check()
