"""A wall clock of its own for a program, made by libfaketime. It can jump; monotonic clocks are not affected."""

import pathlib
import subprocess

from . import paths

LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def library() -> str | None:
    return next((path for path in LIBRARIES if pathlib.Path(path).exists()), None)


def why_not() -> str:
    """Why programs can't have a clock of their own here; empty: they can."""
    if library() is None:
        return "the package libfaketime is missing"
    linked = subprocess.run(["ldd", str(paths.program("qarax-server"))], capture_output=True, text=True).stdout
    return "AddressSanitizer wants to be the first library of a program" if "libasan" in linked else ""


class Clock:
    def __init__(self, folder: pathlib.Path):
        self.file = folder / "clock"
        self.env = {
            "LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """Sets the clock this many seconds ahead of the machine's."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)
