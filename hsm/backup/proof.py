"""That a copy of a token works: every key makes a real signature, which is verified, or opens an envelope."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hallmark_envelope import seal_envelope
from hsm.errors import HsmError, RestoreFailed
from hsm.material import HpkeKeyMaterial, KeyMaterial
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.pkcs11.settings import Pkcs11Settings
from hsm.provider import MAX_BATCH_SIZE, SignRequest
from hsm.self_test import SELF_TEST, self_test_request


@dataclass(frozen=True, slots=True)
class KeyToCheck:
    """A key that the service keeps, as it keeps it."""

    material: KeyMaterial
    key_binding: bytes


async def prove_copy(folder: Path, settings: Pkcs11Settings, keys: Sequence[KeyToCheck]) -> None:
    """`settings` of the original, `folder` of the copy. Raises RestoreFailed with the first key that does not work."""
    provider = Pkcs11KeyProvider(replace(settings, data_folder=folder, workers=1, token_serial=None))
    try:
        await provider.start()
        requests: list[SignRequest] = []
        for key in keys:
            if isinstance(key.material, HpkeKeyMaterial):
                await _open_one(provider, key.material, key.key_binding)
            else:
                requests.append(self_test_request(key.material, key.key_binding))
        for start in range(0, len(requests), MAX_BATCH_SIZE):
            for answer in await provider.sign_many(requests[start : start + MAX_BATCH_SIZE]):
                if isinstance(answer, HsmError):
                    raise answer
    except HsmError as error:
        raise RestoreFailed(f"the copy of the token does not work: {error.code}: {error}") from None
    finally:
        await provider.close()


async def _open_one(provider: Pkcs11KeyProvider, material: HpkeKeyMaterial, key_binding: bytes) -> None:
    envelope = seal_envelope(material.public_key, material.kem, SELF_TEST)
    opened = await provider.open_envelope(material, envelope=envelope, info=b"", key_binding=key_binding)
    assert opened == SELF_TEST, "AES-GCM opened to something else"
