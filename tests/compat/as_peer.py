"""A program of its own: runs somebody's code with `pqc_enclave_sdk` being ours, and says so in its last line, as JSON.

python as_peer.py {"wheels": [...], "tests": FOLDER} or {"wheels": [...], "script": FILE}
"""

import json
import runpy
import sys
from pathlib import Path

request = json.loads(sys.argv[1])
# With liboqs-python there but no liboqs, importing quantumshield would build liboqs from the network: it is a plain
# installation of quantumshield that its tests are for.
sys.modules["oqs"] = None
sys.path += request["wheels"]

from hallmark_client.compat import install  # noqa: E402 - after the path

install()
outcomes: dict[str, int] = {}
if "tests" in request:
    import pytest

    class Counting:
        def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
            if report.when == "call" or report.outcome != "passed":
                outcomes[report.outcome] = outcomes.get(report.outcome, 0) + 1

    folder = request["tests"]
    arguments = [folder, f"--rootdir={folder}", f"--config-file={folder}/../no.ini", "-p", "no:cacheprovider"]
    Path(folder).parent.joinpath("no.ini").touch()  # otherwise pytest looks for ours
    status = int(pytest.main([*arguments, "-p", "no:randomly", "-p", "no:xdist", "-q"], [Counting()]))
else:
    runpy.run_path(request["script"], run_name="__main__")
    status = 0

used = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "pqc_enclave_sdk"}
files = sorted({str(module.__file__) for module in used.values()})
sys.stdout.write("\n" + json.dumps({"status": status, "outcomes": outcomes, "files": files}) + "\n")
