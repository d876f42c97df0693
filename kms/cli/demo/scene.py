"""Where a demonstration plays: a folder of its own, a server, and a throw-away maker of phones that it trusts."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from kms.cli.child import ServerProcess, as_toml
from kms.cli.demo.show import Show
from kms.cli.demo.stage import DemoFailed
from kms.cli.output import write_file

if TYPE_CHECKING:
    from attestation.testing import VirtualVendor


class Scene(Protocol):
    """`server` was not started yet."""

    @property
    def server(self) -> ServerProcess: ...

    def close(self) -> None: ...


S = TypeVar("S", bound=Scene)


@contextmanager
def on_scene(prepare: Callable[[Path], S], show: Show, *, keep: bool) -> Iterator[S]:
    """Folder and server are gone afterwards, unless something failed."""
    folder = Path(tempfile.mkdtemp(prefix="hallmark-demo-"))
    scene = prepare(folder)
    try:
        yield scene
    except DemoFailed:
        keep = True
        raise
    finally:
        scene.close()
        scene.server.stop()
        if keep:
            show.say(f"Kept: {folder}, with the server's home and {scene.server.log_file.name}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def devices_settings(folder: Path, vendor: "VirtualVendor") -> str:
    """A section of the server's settings: the maker's root and its (empty) status list, as an operator would say it."""
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_der_x509_certificate

    root, status = folder / "virtual-root.pem", folder / "status.json"
    write_file(root, load_der_x509_certificate(vendor.certificate).public_bytes(Encoding.PEM))
    write_file(status, b'{"entries": {}}')
    return f"[devices]\nextra_android_roots = {as_toml([str(root)])}\nandroid_status = {as_toml(str(status))}\n"
