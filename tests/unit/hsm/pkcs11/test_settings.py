from pathlib import Path

import pytest

from hsm.errors import ModuleNotFound, SetupError
from hsm.pkcs11 import settings as module_under_test
from hsm.pkcs11.settings import Pkcs11Settings, is_softhsm, resolve_module


def test_the_pin_is_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert Pkcs11Settings(data_folder=tmp_path).effective_pin_file == tmp_path / "token-pin"
    assert Pkcs11Settings(data_folder=tmp_path, pin_file=Path("/run/pin")).effective_pin_file == Path("/run/pin")
    assert Pkcs11Settings(data_folder=tmp_path, pin_env="PIN").effective_pin_file is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"pin_file": Path("pin"), "pin_env": "PIN"},
        {"workers": 0},
        {"queue_limit": 0},
        {"call_timeout_seconds": 0},
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(tmp_path: Path, wrong: dict) -> None:
    with pytest.raises(SetupError):
        Pkcs11Settings(data_folder=tmp_path, **wrong)


def test_there_is_a_worker_per_usable_core(tmp_path: Path) -> None:
    assert Pkcs11Settings(data_folder=tmp_path).worker_count >= 1
    assert Pkcs11Settings(data_folder=tmp_path, workers=3).worker_count == 3


def test_a_missing_library_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_under_test, "SOFTHSM_PLACES", ())
    for module in (None, tmp_path / "libhsm.so"):
        with pytest.raises(ModuleNotFound) as caught:
            resolve_module(module)
        for command in ("apt install softhsm2", "dnf install softhsm", "brew install softhsm"):
            assert command in str(caught.value)


def test_a_library_that_is_there_is_taken(tmp_path: Path) -> None:
    library = tmp_path / "libvendor.so"
    library.touch()
    assert resolve_module(library) == library


def test_only_softhsm_is_softhsm() -> None:
    assert is_softhsm(Path("/usr/lib/softhsm/libsofthsm2.so"))
    assert not is_softhsm(Path("/opt/vendor/libCryptoki2_64.so"))
