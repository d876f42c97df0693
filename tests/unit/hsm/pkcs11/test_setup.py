"""Set-up of a real SoftHSM token, whole and finished after an interruption at any step."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import softhsm

NEW_TOKEN = """
import os
from pathlib import Path
import pkcs11
from hsm.pkcs11.init_token import init_token
from hsm.pkcs11.pin import read_pin
from hsm.pkcs11.settings import resolve_module
folder = Path(os.environ["DATA_FOLDER"])
module = resolve_module(None)
so_pin = read_pin(folder / "token-so-pin", None, {})
init_token(pkcs11.lib(str(module)), module, label="hallmark", so_pin=so_pin)
"""
REMOVE_KEK = """
import os
from pathlib import Path
import pkcs11
from pkcs11 import Attribute, ObjectClass
from hsm.pkcs11.settings import resolve_module
pin = (Path(os.environ["DATA_FOLDER"]) / "token-pin").read_text().strip()
session = pkcs11.lib(str(resolve_module(None))).get_token(token_label="hallmark").open(rw=True, user_pin=pin)
[kek] = list(session.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY}))
kek.destroy()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return softhsm.settings(tmp_path / "deep" / "data").data_folder


def setup(folder: Path, *options: str, **environ: str) -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "hsm.pkcs11.setup", f"--data-folder={folder}", *options],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    answer: dict[str, str] = json.loads(done.stdout)
    assert done.returncode == ("code" in answer)
    return answer


def test_a_second_run_finds_what_the_first_made(folder: Path) -> None:
    first = setup(folder)
    assert set(first) == {"token_serial", "kek_id"}
    before = sorted(path for path in folder.rglob("*") if path.is_file())
    assert setup(folder) == first
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == before


def test_two_runs_at_once_make_one_token(folder: Path) -> None:
    command = [sys.executable, "-P", "-m", "hsm.pkcs11.setup", f"--data-folder={folder}"]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {run.communicate(timeout=60)[0] for run in runs}
    assert len(answers) == 1
    assert "kek_id" in answers.pop()
    assert len(list((folder / "tokens").iterdir())) == 1


def test_an_interrupted_run_is_finished_by_the_next(folder: Path) -> None:
    first = setup(folder)
    softhsm.in_token_process(folder, REMOVE_KEK)
    (folder / "token.json").unlink()  # as if it stopped before the key-encryption key was made
    second = setup(folder)
    assert second["token_serial"] == first["token_serial"]
    assert second["kek_id"] != first["kek_id"]

    for item in (folder / "tokens").iterdir():  # as if it stopped between the token and its user PIN
        for file in item.iterdir():
            file.unlink()
        item.rmdir()
    (folder / "token.json").unlink()
    softhsm.in_token_process(folder, NEW_TOKEN)
    third = setup(folder)
    assert third["token_serial"] != first["token_serial"]
    assert setup(folder) == third


def test_a_lost_key_encryption_key_is_not_replaced_in_silence(folder: Path) -> None:
    first = setup(folder)
    softhsm.in_token_process(folder, REMOVE_KEK)
    answer = setup(folder)
    assert answer["code"] == "HSM_SETUP_FAILED"
    assert first["kek_id"] in answer["message"]


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"kek_id": 7}', '{"kek_id": "xyz"}'])
def test_a_damaged_record_is_reported(folder: Path, record: str) -> None:
    folder.mkdir(parents=True)
    (folder / "tokens").mkdir()
    setup(folder)
    (folder / "token.json").write_text(record)
    assert "damaged" in setup(folder)["message"]


def test_the_operators_pin_file_is_used_and_needed(folder: Path, tmp_path: Path) -> None:
    pin_file = tmp_path / "operator-pin"
    assert setup(folder, f"--pin-file={pin_file}")["code"] == "PIN_AWAY"
    pin_file.write_text("operator secret")
    made = setup(folder, f"--pin-file={pin_file}")
    assert "kek_id" in made
    assert not (folder / "token-pin").exists()
    pin_file.write_text("another secret")
    assert setup(folder, f"--pin-file={pin_file}")["code"] == "PIN_INCORRECT"
    assert setup(folder, "--pin-env=TEST_PIN", TEST_PIN="operator secret") == made


def test_no_pin_is_in_any_file_but_its_own(folder: Path) -> None:
    setup(folder)
    pins = [(folder / name).read_bytes().strip() for name in ("token-pin", "token-so-pin")]
    assert pins[0] != pins[1]
    others = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("pin")]
    assert len(others) >= 4
    for path in others:
        content = path.read_bytes()
        assert not any(pin in content or bytes.fromhex(pin.decode()) in content for pin in pins)


@pytest.mark.parametrize("make", ["missing", "not a library"])
def test_a_library_that_cannot_be_used_is_reported(folder: Path, tmp_path: Path, make: str) -> None:
    library = tmp_path / "libvendor.so"
    if make == "not a library":
        library.write_text("no ELF")
    answer = setup(folder, f"--module={library}")
    assert answer["code"] in {"PKCS11_MODULE_NOT_FOUND", "PIN_AWAY", "PKCS11_LIBRARY_AWAY"}
    answer = setup(folder, f"--module={library}", "--pin-env=TEST_PIN", TEST_PIN="1234")
    assert answer["code"] == {"missing": "PKCS11_MODULE_NOT_FOUND", "not a library": "PKCS11_LIBRARY_AWAY"}[make]
    assert str(library) in answer["message"]


def test_a_label_that_is_too_long_is_refused(folder: Path) -> None:
    answer = setup(folder, "--token-label=" + "x" * 33)
    assert answer["code"] == "HSM_SETUP_FAILED"
    assert "32 bytes" in answer["message"]


def test_a_data_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    assert setup(softhsm.settings(path).data_folder)["code"] == "HSM_SETUP_FAILED"
