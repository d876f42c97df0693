from pathlib import Path

import pytest

from hallmark_client.compat.pqc_enclave_sdk import BackendError, DeviceBackend, EnclaveVault, establish_enclave_session
from hallmark_client.compat.pqc_enclave_sdk.session import _private_key
from hallmark_client.device.roots.memory import MemoryRoot


@pytest.fixture
def backend(tmp_path: Path) -> DeviceBackend:
    return DeviceBackend(tmp_path, MemoryRoot())


@pytest.mark.parametrize(("name", "size"), [("ML-KEM-768", 1184), ("ML-KEM-1024", 1568)])
def test_the_devices_key_pair_is_ml_kem_and_stays(backend: DeviceBackend, name: str, size: int) -> None:
    public = _private_key(backend, name).public_key()
    assert len(public.public_bytes_raw()) == size
    assert _private_key(backend, name).public_key().public_bytes_raw() == public.public_bytes_raw()
    shared, encapsulated = public.encapsulate()
    assert _private_key(backend, name).decapsulate(encapsulated) == shared


def test_every_session_has_another_key(backend: DeviceBackend) -> None:
    with EnclaveVault(backend):
        found = [establish_enclave_session(backend, ttl_seconds=60) for _ in range(3)]
        assert len({key for key, _, _ in found}) == len({key_id for _, key_id, _ in found}) == 3
        assert all(len(key) == 32 and backend.load_session_key(key_id) == key for key, key_id, _ in found)


def test_what_is_not_offered_is_refused(backend: DeviceBackend) -> None:
    with pytest.raises(BackendError, match="ML-KEM-512 is not offered"):
        establish_enclave_session(backend, "ML-KEM-512")
