"""Makes the vectors of this folder anew, in v1/: `python make.py` with tests/ on the path. They are fixed: run it only for a
format of another version, into another folder.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_release.trust import COMPOSITE_FILE, ECDSA_FILE, POLICY_FILE, ROOT_FILE
from unit.hallmark_release.release_world import MODEL, NOW, Publisher

FILES = {"config.json": b'{"hidden_size": 64}\n', "weights/\u03b1.bin": bytes(range(256)) * 70}
HERE = Path(__file__).parent / "v1"


def make(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        publisher = Publisher(Path(scratch))
        publisher.publish(FILES, epoch=3, minimum_epoch=2)
        (publisher.served / ".lock").unlink()
        shutil.copytree(publisher.served, folder / "repository")
        trust = folder / "trust"
        trust.mkdir()
        (trust / ROOT_FILE).write_bytes(publisher.trust.root)
        (trust / ECDSA_FILE).write_bytes(
            publisher.trust.ecdsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        )
        (trust / COMPOSITE_FILE).write_text(publisher.trust.composite.to_spki_pem())
        (trust / POLICY_FILE).write_text(str(publisher.trust.policy))
        facts = {
            "content_key": publisher.content_keys[3].hex(),
            "files": {path: data.hex() for path, data in FILES.items()},
            "model": MODEL,
            "now": NOW.isoformat(),
        }
        (folder / "expected.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(make(HERE))
