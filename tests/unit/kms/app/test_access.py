"""What access rules learn of calling devices, and which calls pass the door without a question."""

from pathlib import Path

import pytest

from kms.access.question import NO_VERDICT
from kms.app.access import CallingDevices, make_access_rules
from kms.core.call import Call
from kms.core.errors import NotFound, Unavailable
from kms.core.identity import CERTIFICATE_NAME_PREFIX, Role
from kms.server.doors import Asked
from kms.server.policy import POLICY
from unit.kms.access.bench import ADMINS, BACKEND, CLASSICAL, access_running
from unit.kms.devices.bench import devices_running
from unit.kms.revocation.bench import caller

HEALTH = "/grpc.health.v1.Health/Check"
SIGN_STREAM = "/hallmark.v1.SigningService/SignStream"


async def test_a_device_is_known_by_its_verdict(tmp_path: Path) -> None:
    async with devices_running(tmp_path) as bench:
        _, device = await bench.enrol()
        service = bench.service
        reader = CallingDevices(service.database, service.clock)
        phone = caller(Role.DEVICE, name=f"{CERTIFICATE_NAME_PREFIX}{device.name.rpartition('/')[2]}")
        service.clock.advance(90)
        found = await reader.verdict(phone, service.clock.now())
        assert (found.attested, found.appraised, found.device_class) == (True, True, "hardware")
        assert found.age_seconds == 90
        await bench.service.revoke(device.name)
        service.clock.advance(1)
        gone = await reader.verdict(phone, service.clock.now())
        assert (gone.attested, gone.appraised) == (False, False)
        for nobody in (caller(Role.DEVICE, name="phone"), caller(Role.BACKEND)):
            assert await reader.verdict(nobody, service.clock.now()) == NO_VERDICT


async def test_what_passes_without_a_question(tmp_path: Path) -> None:
    async with access_running(tmp_path) as bench:
        await bench.in_force(ADMINS)
        now = bench.service.clock.now()
        health = Call("c", HEALTH, BACKEND, CLASSICAL, now)
        assert await bench.rules.check(health, POLICY[HEALTH], Asked("Health.Check")) == ()
        stream = Call("c", SIGN_STREAM, BACKEND, CLASSICAL, now)
        row = POLICY[SIGN_STREAM]
        assert await bench.rules.check(stream, row, Asked("SigningService.SignStream")) == ()
        with pytest.raises(NotFound):
            await bench.rules.check(stream, row, Asked("SigningService.SignStream", ("tenants/default/keys/k",)))


async def test_nobody_is_let_in_before_the_first_look(tmp_path: Path) -> None:
    async with access_running(tmp_path) as bench:
        service = bench.service
        rules = make_access_rules(service.database, service.clock, bench.facts)
        with pytest.raises(Unavailable):
            await rules.decisions.check(BACKEND, "SigningService.Sign", (), CLASSICAL)
