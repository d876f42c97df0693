"""One suite for every key provider: in memory, and PKCS#11 on each token that is installed here."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from hsm.provider import KeyProvider
from support.key_providers import TRAITS, Traits, make


@pytest.fixture(scope="module", params=TRAITS)
def provider_name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def traits(provider_name: str) -> Traits:
    return TRAITS[provider_name]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def provider(provider_name: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyProvider]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        made = make(provider_name, tmp_path_factory.mktemp("hsm") / "data", monkeypatch)
        await made.start()
    yield made
    await made.close()
    await made.close()
