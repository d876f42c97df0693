"""Keys inside tokens that have ML-DSA: what the token says about them, and that nothing but the token is needed."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

import softhsm
from hallmark_composite import DEFAULT_ALGORITHM, CompositePublicKey, MlDsaParameterSet, prehash, verify
from hsm.errors import HsmError, KeyNotFound
from hsm.material import ProtectionLevel, TokenKey, token_keys
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings
from tokens import nss, opencryptoki

BINDING, CONTEXT = b"binding", b"context"
DIGEST = prehash(DEFAULT_ALGORITHM, b"message")
ATTRIBUTES = """
import sys, pkcs11
from pkcs11 import Attribute, ObjectClass
module, label, pin, cka_id = sys.argv[1:]
token = next(token for token in pkcs11.lib(module).get_tokens() if token.label == label)
session = token.open(user_pin=pin)
wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: bytes.fromhex(cka_id)}
for key in session.get_objects(wanted):
    print(*(key[item] for item in (Attribute.TOKEN, Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.PRIVATE)))
    for secret in (Attribute.VALUE, Attribute.SEED):
        try:
            print(key[secret])
        except pkcs11.PKCS11Error as error:
            print(type(error).__name__)
"""


@pytest.fixture(params=["nss", "opencryptoki"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pkcs11Settings:
    if request.param == "nss":
        return nss.settings(tmp_path / "data", monkeypatch)
    return opencryptoki.settings(tmp_path / "data")


@pytest_asyncio.fixture
async def provider(settings: Pkcs11Settings) -> AsyncIterator[Pkcs11KeyProvider]:
    made = Pkcs11KeyProvider(settings)
    await made.start()
    yield made
    await made.close()


def ask_the_token(settings: Pkcs11Settings, key: TokenKey) -> list[str]:
    label, pin = settings.token_label, settings.pin_file.read_text()
    command = [sys.executable, "-P", "-c", ATTRIBUTES, settings.module, label, pin, key.cka_id.hex()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


async def test_private_keys_stay_in_the_token(provider, settings) -> None:
    composite = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    plain = await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_87, key_binding=BINDING)
    assert composite.protection is plain.protection is ProtectionLevel.HSM
    halves = [*token_keys(composite), *token_keys(plain)]
    assert len({half.cka_id for half in halves}) == 3
    for half in halves:
        flags, *secrets = ask_the_token(settings, half)
        assert flags == "True True False True"
        assert set(secrets) <= {"AttributeSensitive", "AttributeTypeInvalid"}
    await provider.destroy(composite)
    for half in token_keys(composite):
        assert ask_the_token(settings, half) == []
    assert ask_the_token(settings, *token_keys(plain))


async def test_a_native_key_signs_after_a_restart_and_after_killed_processes(provider, settings) -> None:
    material = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    public_key = CompositePublicKey.from_bytes(material.algorithm, material.public_key)

    async def sign(by: Pkcs11KeyProvider) -> None:
        signature = await by.sign_composite(material, digest=DIGEST, context=CONTEXT, key_binding=BINDING)
        verify(public_key, signature, message=b"message", context=CONTEXT)

    await sign(provider)
    softhsm.signal_all(provider, signal.SIGKILL)
    await softhsm.until_it_works(lambda: sign(provider))
    await provider.close()
    second = Pkcs11KeyProvider(settings)
    await second.start()
    try:
        await sign(second)
        missing = type(material)(
            algorithm=material.algorithm,
            public_key=material.public_key,
            classical=material.classical,
            post_quantum=TokenKey(os.urandom(16)),
        )
        with pytest.raises(KeyNotFound):
            await second.sign_composite(missing, digest=DIGEST, context=CONTEXT, key_binding=BINDING)
    finally:
        await second.close()


async def test_health_and_capabilities_tell_of_native_keys(provider) -> None:
    assert (await provider.health()).workers_ready == 2
    capabilities = await provider.capabilities()
    assert capabilities.protection is ProtectionLevel.HSM
    assert set(capabilities.native_parameter_sets) == set(MlDsaParameterSet)
    assert capabilities.native_reason == ""


async def test_native_keys_may_be_switched_off(settings: Pkcs11Settings) -> None:
    """Then keys are sealed, or, in a token whose AES-GCM does not work, nothing starts."""
    provider = Pkcs11KeyProvider(
        Pkcs11Settings(
            data_folder=settings.data_folder,
            module=settings.module,
            token_label=settings.token_label,
            pin_file=settings.pin_file,
            workers=1,
            native=False,
        )
    )
    try:
        await provider.start()
    except HsmError:
        assert "nss" in settings.token_label
    else:
        capabilities = await provider.capabilities()
        assert capabilities.native_parameter_sets == ()
        material = await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=BINDING)
        assert material.protection is ProtectionLevel.HSM_WRAPPED
    finally:
        await provider.close()
