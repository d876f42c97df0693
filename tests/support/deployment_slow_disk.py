"""A disk that takes its time: a library that sleeps before each fsync and fdatasync of the program it is loaded into.

Built with cc where there is one. A file tells it how long, so that a test can change that while the program runs.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

_SOURCE: Final = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_disk(void)
{
    const char *path = getenv("SLOW_DISK");
    char text[16] = "";
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    long milliseconds = size > 0 ? atol(text) : 0;
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000L};
    while (nanosleep(&left, &left) != 0)
        ;
}

int fsync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_for_the_disk();
    return real(file);
}

int fdatasync(int file)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_disk();
    return real(file);
}
"""


@dataclass(frozen=True, slots=True)
class SlowDisk:
    """`environment` is for the program whose disk it is."""

    library: Path
    seconds_file: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "SLOW_DISK": str(self.seconds_file)}

    def take(self, seconds: float) -> None:
        """From now on, for each."""
        new = self.seconds_file.with_suffix(".new")
        new.write_text(str(int(seconds * 1000)))
        new.chmod(0o644)
        new.replace(self.seconds_file)


def slow_disk(folder: Path) -> SlowDisk:
    """Fast until told otherwise. `folder`: one that the program can read. Skips with a reason without cc."""
    compiler = shutil.which("cc")
    if compiler is None or os.uname().sysname != "Linux":
        pytest.skip("a slow disk is made with a C compiler (cc) on Linux")
    source = folder / "slow_disk.c"
    source.write_text(_SOURCE)
    made = SlowDisk(folder / "slow_disk.so", folder / "milliseconds")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", made.library, source, "-ldl"], check=True)
    made.library.chmod(0o755)
    made.take(0)
    return made
