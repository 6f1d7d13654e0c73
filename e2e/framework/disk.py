"""A disk for one test, which can fill up and break: ext4 in a file, on a loop device."""

import os
import pathlib
import shutil
import subprocess
import tempfile

TOOLS = ("mke2fs", "mount", "umount", "e2fsck")
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def missing() -> str:
    """Why this machine can't have such a disk; empty: it can."""
    if os.geteuid() != 0:
        return "needs root, to mount"
    if not pathlib.Path("/dev/loop-control").exists():
        return "needs loop devices"
    lacking = [tool for tool in TOOLS if shutil.which(tool, path=PATH) is None]
    return "needs " + ", ".join(lacking) if lacking else ""


def run(*argv: str, may_fail: bool = False) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "PATH": PATH})
    assert may_fail or done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"


class Disk:
    def __init__(self, size: int):
        self.parent = pathlib.Path(tempfile.mkdtemp(prefix="qarax-e2e-disk-"))
        self.image = self.parent / "image"
        self.folder = self.parent / "mounted"
        self.folder.mkdir()
        with open(self.image, "wb") as image:
            image.truncate(size)
        run("mke2fs", "-q", "-t", "ext4", "-m", "0", str(self.image))
        self._mount()

    def _mount(self) -> None:
        run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder))

    @property
    def filler(self) -> pathlib.Path:
        return self.folder / "filler"

    def fill(self) -> None:
        """Fills the disk until not one more block can be written."""
        with open(self.filler, "ab", buffering=0) as filler:
            for size in (1 << 20, 1 << 16, 1 << 12, 1 << 10):
                try:
                    while True:
                        filler.write(b"x" * size)
                        os.fsync(filler.fileno())
                except OSError:
                    continue

    def free(self) -> None:
        self.filler.unlink()

    def fail(self) -> None:
        """Simulates a hardware error: the kernel remounts the disk read-only, also for files that are open."""
        device = pathlib.Path(f"/sys/dev/block/{os.major(self.folder.stat().st_dev)}:{os.minor(self.folder.stat().st_dev)}").resolve().name
        pathlib.Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1\n")

    def repair(self) -> None:
        """Checks and mounts the disk again. No process may have files open there."""
        run("umount", str(self.folder))
        run("e2fsck", "-f", "-y", str(self.image), may_fail=True)  # 1: it has repaired something
        self._mount()

    def close(self) -> None:
        run("umount", "--lazy", str(self.folder), may_fail=True)
        shutil.rmtree(self.parent)
