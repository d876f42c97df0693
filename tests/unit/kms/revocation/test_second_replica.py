"""What one replica revokes, another one refuses at once: nothing that it remembers is in the way."""

import uuid
from pathlib import Path

import pytest

from kms.core.errors import FailedPrecondition, Reason
from kms.core.idempotency import RequestKey
from kms.keys.formats import SignatureFormat
from kms.keys.inputs import SignInput
from kms.keys.model import Key
from kms.keys.sign_item import item_of
from unit.kms.revocation.bench import Bench, caller, running, serving


async def _sign(bench: Bench, key: Key) -> None:
    request = RequestKey.of(caller(), str(uuid.uuid4()), "Sign", b"")
    item = item_of(key.name, SignInput(data=b"m"), SignatureFormat.RAW, request)
    await bench.signing.sign_item(item, now=bench.clock.now(), published=False)


async def test_a_revoked_key_refuses_to_sign_on_every_replica(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as first,
        serving(first.database, tmp_path, provider=first.provider, seed=2) as second,
    ):
        key = await first.create_key("shared")
        await _sign(second, key)
        await first.revoke(str(key.name))
        with pytest.raises(FailedPrecondition) as refused:
            await _sign(second, key)
        assert refused.value.reason in {Reason.KEY_REVOKED, Reason.KEY_VERSION_NOT_ACTIVE}


async def test_a_revoked_version_too(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as first,
        serving(first.database, tmp_path, provider=first.provider, seed=2) as second,
    ):
        key = await first.create_key("shared")
        await _sign(second, key)
        await first.revoke(str(key.versions[0].name))
        with pytest.raises(FailedPrecondition) as refused:
            await _sign(second, key)
        assert refused.value.reason in {Reason.KEY_REVOKED, Reason.KEY_VERSION_NOT_ACTIVE}
