"""An enrolled device as a process of its own, to be killed at any moment.

    python -m fault.device.life_victim FOLDER

Says, all the time, what it can read: "usable" and the names of its artifacts, separated by blanks.
"""

import sys
import threading
from pathlib import Path

from fault.device.vault_world import file_root
from hallmark_client.device.errors import ArtifactSuspended, ArtifactUnknown
from hallmark_client.device.life import Device, SoftwareAttester
from rpc.device.world import APP, Clock, settings

NAMES = ("first", "second")


def usable(device: Device) -> list[str]:
    found = []
    for name in NAMES:
        try:
            device.vault.read(name, caller=APP)
            found.append(name)
        except (ArtifactSuspended, ArtifactUnknown):
            pass
    return found


def main(folder: Path) -> None:
    # Whoever vouches is asked at enrolment and renewal, neither of which happens here.
    with Device.open(
        folder, root=file_root(folder.parent / "root.json"), attester=SoftwareAttester(), settings=settings(Clock())
    ) as device:
        device.start()
        while True:
            sys.stdout.write(" ".join(["usable", *usable(device)]) + "\n")
            sys.stdout.flush()
            threading.Event().wait(0.02)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
