"""A tenant's quota of devices: asked where one enrols, not where it comes again."""

from pathlib import Path

import pytest

from kms.core.errors import Reason
from kms.devices.store import count_devices
from kms.tenants.counts import CountQuota
from kms.tenants.exceeded import LimitExceeded
from kms.tenants.model import DEVICES, Quotas
from unit.kms.devices.bench import devices_running


async def test_so_many_devices_and_no_more(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        devices = bench.servicer.devices
        devices.quota = CountQuota(
            kind=DEVICES, count=count_devices, default=Quotas(devices=1), clock=bench.service.clock
        )
        challenge = await bench.challenge()
        key = bench.phone.generate_key(challenge.challenge)
        first = (await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki))).device
        challenge = await bench.same_challenge(challenge.challenge)
        again = await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki))
        assert again.device.name == first.name, "it comes again"
        with pytest.raises(LimitExceeded) as refused:
            await bench.enrol()
        assert refused.value.reason is Reason.QUOTA_EXCEEDED
        assert refused.value.limit.metric == "hallmark.v1/devices"
        await bench.service.revoke(first.name)
        await bench.enrol()
