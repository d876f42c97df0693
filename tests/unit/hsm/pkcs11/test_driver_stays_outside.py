"""The service's process never loads the PKCS#11 driver: a crash or a hang of it is a signer process's."""

import subprocess
import sys

PROGRAM = """
import sys
import hsm.backup, hsm.doctor, hsm.pkcs11.provider, hsm.testing
print(sorted(name for name in sys.modules if name.partition(".")[0] in {"pkcs11", "oqs"}))
"""


def test_the_provider_does_not_import_it() -> None:
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
