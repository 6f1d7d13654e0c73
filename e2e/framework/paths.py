"""Paths of the programs under test and the guest's files; environment variables can name others."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A developer builds build/dev, scripts/test.sh build/test.
BUILDS = [ROOT / "build" / "dev", ROOT / "build" / "test"]
BUILD = pathlib.Path(os.environ.get("QARAX_BUILD") or next(filter(pathlib.Path.exists, BUILDS), BUILDS[0]))


def program(name: str) -> pathlib.Path:
    path = BUILD / "bin" / name
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build first (cmake --build {BUILD}), or name another build with QARAX_BUILD")
    return path


def plugin(name: str) -> pathlib.Path:
    path = BUILD / "plugins" / f"{name}.so"
    if not path.exists():
        raise RuntimeError(f"{path} is missing: build first, or name another build with QARAX_BUILD")
    return path


def guest_dir() -> pathlib.Path:
    """Folder of the guest's kernel and initramfs, which e2e/guest/build.sh makes once."""
    given = os.environ.get("QARAX_GUEST_DIR")
    if given:
        return pathlib.Path(given)
    out = ROOT / "build" / "guest"
    subprocess.run([str(ROOT / "e2e" / "guest" / "build.sh"), str(out)], check=True, stdout=subprocess.DEVNULL)
    return out


def guest_initramfs(folder: pathlib.Path) -> pathlib.Path:
    found = sorted(folder.glob("initramfs.cpio*"))
    if not found:
        raise RuntimeError(f"no initramfs in {folder}: run e2e/guest/build.sh {folder}")
    return found[0]
