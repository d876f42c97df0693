"""What only a browser of today has: ML-DSA-44 in WebCrypto, against the public vectors."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from web.browser import Browser
from web.published_log import PublishedLog, make_entry

_VERIFY = """
    const [record] = given;
    const tlog = await import("/page/tlog/index.js");
    const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    const key = await tlog.parseVkey(record.vkey);
    try {
        if (record.kind === "note") {
            const { signers } = await tlog.verifyNote(tlog.encodeText(record.note), [key]);
            return Number(signers[0].timestamp);
        }
        const root = Uint8Array.from(record.root_hex.match(/../g), (hex) => parseInt(hex, 16));
        const subtree = { origin: record.log_origin, start: BigInt(record.start), end: BigInt(record.end), root };
        const named = { ...key, name: record.cosigner_name };
        const blob = bytes(record.timestamped_signature_b64);
        const statement = await tlog.verifySubtree(named, blob, subtree, tlog.webCrypto);
        return statement === null ? "not checked" : Number(statement.timestamp);
    } catch (error) {
        if (error instanceof tlog.BadSignature) return "bad";
        throw error;
    }
"""


def test_ml_dsa_44_cosignatures(browser: Browser, serve: Callable[[Path], str], tmp_path: Path, vectors: Path) -> None:
    path = vectors / "tlog/cosig/mldsa44.json"
    if not path.exists():
        pytest.skip("the --vectors folder has no tlog/cosig/mldsa44.json")
    PublishedLog(tmp_path).publish([make_entry(0)], timestamp=1)
    browser.open(serve(tmp_path))
    records = json.loads(path.read_text(encoding="utf-8"))["vectors"]
    assert {record["valid"] for record in records} == {True, False}
    for record in records:
        answer = browser.await_script(_VERIFY, record)
        if record["valid"]:
            assert isinstance(answer, int)
            assert answer == record.get("timestamp", answer)
        else:
            assert answer == "bad", record["why"]
