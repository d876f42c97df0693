import base64
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hallmark_client.device.audit import AuditBroken, AuditHead, __main__, export, verify_export
from hallmark_client.device.audit.export import HEADER_BYTES_MAX
from unit.hallmark_client.device.audit.audit_world import POLICY, World, anchored_in_log
from unit.hallmark_tlog.virtual_log import LOG_ED25519

DOCUMENT = Path(__file__).parents[5] / "docs" / "device-audit.md"


@pytest.fixture(scope="module")
def world():
    """Pruned behind entry 4; anchored at 7 in a real log; ends at 11."""
    made = World()
    made.append(4)
    made.anchor(evidence=anchored_in_log(made.chain.head()))
    made.prune()
    made.append(2)
    made.anchor(evidence=anchored_in_log(made.chain.head()))
    made.append(4)
    yield made
    made.connection.close()


@pytest.fixture(scope="module")
def data(world: World) -> bytes:
    return b"".join(export(world.chain))


def heads(world: World) -> list[bytes]:
    return [entry.previous for entry in world.chain.entries()] + [world.chain.head().head]


def test_a_chain_that_was_exported_holds(world: World, data: bytes) -> None:
    verified = verify_export(io.BytesIO(data), heads=heads(world), log=POLICY)
    assert (verified.start, verified.head) == (world.chain.start(), world.chain.head())
    assert (verified.anchored.size, verified.proved) == (7, True)
    assert not verify_export(io.BytesIO(data)).proved


def test_an_empty_one_too() -> None:
    world = World()
    verified = verify_export(io.BytesIO(b"".join(export(world.chain))))
    assert (verified.head.size, verified.anchored, verified.proved) == (0, None, False)
    world.connection.close()


def test_where_a_log_is_trusted_an_anchor_is_needed() -> None:
    world = World()
    world.append(2)
    with pytest.raises(AuditBroken, match="no anchor"):
        verify_export(io.BytesIO(b"".join(export(world.chain))), log=POLICY)
    world.connection.close()


def broken(data: bytes, **known) -> AuditBroken:
    with pytest.raises(AuditBroken) as caught:
        verify_export(io.BytesIO(data), **known)
    return caught.value


def test_a_head_of_another_chain(data: bytes) -> None:
    assert "does not lead through" in str(broken(data, heads=[b"h" * 32]))


def test_an_anchor_that_the_log_does_not_know(data: bytes) -> None:
    header, _, rest = data.partition(b"\n")
    told = json.loads(header)
    other = anchored_in_log(AuditHead(size=7, head=bytes(32)))
    told["anchors"][1]["entry"] = base64.b64encode(other.entry).decode()
    changed = json.dumps(told, sort_keys=True, separators=(",", ":")).encode() + b"\n" + rest
    assert verify_export(io.BytesIO(changed)).anchored.size == 7
    assert broken(changed, log=POLICY).number == 7


def test_cut_off_behind_the_anchor(data: bytes) -> None:
    lines = data.splitlines(keepends=True)
    assert verify_export(io.BytesIO(b"".join(lines[:-1]))).head.size == 10
    assert broken(b"".join(lines[:-5])).number == 7
    assert broken(data[:-1]).number == 11


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"anchors":[],"format":"hallmark-device-audit/v1","start":{"head":"' + b"0" * 64 + b'","size":0}}',
        b'{"anchors":[],"format":"hallmark-device-audit/v2","start":{"head":"' + b"0" * 64 + b'","size":0}}\n',
        b'{"anchors":[],"format":"hallmark-device-audit/v1","start":{"head":"' + b"0" * 64 + b'","size":-1}}\n',
        b'{"anchors":[],"format":"hallmark-device-audit/v1","start":{"head":"' + b"0" * 64 + b'","size":true}}\n',
        b'{"anchors":[],"format":"hallmark-device-audit/v1","start":{"head":"' + b"0" * 64 + b'","size":1}}\n',
        b'{"anchors":[{}],"format":"hallmark-device-audit/v1","start":{"head":"' + b"0" * 64 + b'","size":0}}\n',
        b'{"anchors":[],"format":"hallmark-device-audit/v1","start":{}}\n',
        b" " * HEADER_BYTES_MAX + b"{}\n",
    ],
)
def test_a_header_has_one_form(header: bytes) -> None:
    assert broken(header).number == 0


def recipe() -> str:
    """What the document tells a stranger to run."""
    return re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1]


def run_recipe(file: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-I", "-c", recipe(), str(file)], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_documented_recipe(world: World, data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(data)
    assert run_recipe(file).stdout == f"11 {world.chain.head().head.hex()}\n"
    file.write_bytes(data.replace(b"model-8", b"model-9"))
    assert "AssertionError" in run_recipe(file).stderr
    assert recipe().count("\n") <= 20


class TestCommand:
    @pytest.fixture
    def file(self, data: bytes, tmp_path: Path) -> Path:
        path = tmp_path / "audit.jsonl"
        path.write_bytes(data)
        return path

    def test_holds(self, world: World, file: Path, tmp_path: Path, capsys) -> None:
        (tmp_path / "policy").write_text(str(POLICY))
        head = world.chain.head().head.hex()
        assert __main__.main([str(file), "--head", head, "--log-policy", str(tmp_path / "policy")]) == 0
        shown = capsys.readouterr().out
        assert shown == f"holds: entries 5 to 11, head {head}\nanchored up to entry 7, proved by the log\n"
        assert __main__.main([str(file), "--log-key", str(LOG_ED25519.vkey), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "anchored": 7, "head": head, "holds": True, "proved": True, "size": 11, "start": 4,
        }  # fmt: skip

    def test_says_what_it_was_not_compared_with(self, file: Path, capsys) -> None:
        assert __main__.main([str(file)]) == 0
        shown = capsys.readouterr().out
        assert "compared with nothing from elsewhere" in shown
        assert "not checked: give --log-key" in shown

    def test_broken(self, file: Path, data: bytes, capsys) -> None:
        file.write_bytes(data.replace(b"model-8", b"model-9"))
        assert __main__.main([str(file)]) == 1
        captured = capsys.readouterr()
        assert (captured.out, captured.err.startswith("BROKEN: entry 9")) == ("", True)
        assert __main__.main([str(file), "--json"]) == 1
        told = json.loads(capsys.readouterr().out)
        assert (told["holds"], told["number"]) == (False, 9)

    @pytest.mark.parametrize(
        "arguments",
        [
            [],
            ["{file}", "--head", "abc"],
            ["{file}", "--head", "x" * 64],
            ["{file}", "--log-key", "no key"],
            ["{file}", "--log-policy", "{file}.none"],
            ["{file}.none"],
            ["{folder}"],
        ],
    )
    def test_mistakes_of_the_user(self, file: Path, arguments: list[str], capsys) -> None:
        filled = [text.format(file=file, folder=file.parent) for text in arguments]
        with pytest.raises(SystemExit) as caught:
            __main__.main(filled)
        assert caught.value.code == 2
        assert "Traceback" not in capsys.readouterr().err

    def test_as_a_program(self, file: Path) -> None:
        command = [sys.executable, "-m", "hallmark_client.device.audit"]
        shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True, timeout=60)
        assert "Example:" in shown.stdout
        done = subprocess.run(
            [*command, str(file)], capture_output=True, text=True, check=False, timeout=60, env=dict(os.environ)
        )
        assert done.returncode == 0
        assert done.stdout.startswith("holds: entries 5 to 11")
