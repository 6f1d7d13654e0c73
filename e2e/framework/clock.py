"""A wall clock that programs have to themselves and that can jump, by libfaketime; what is monotonic stays as it is."""

import pathlib

LIBRARIES = ("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/faketime/libfaketimeMT.so.1")


def library() -> str | None:
    return next((path for path in LIBRARIES if pathlib.Path(path).exists()), None)


class Clock:
    def __init__(self, folder: pathlib.Path):
        self.file = folder / "clock"
        self.env = {
            "LD_PRELOAD": library(), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        self.set(0)

    def set(self, seconds: int) -> None:
        """That much from the machine's own."""
        new = self.file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        new.rename(self.file)
