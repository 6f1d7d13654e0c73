"""kvm-lab/run.sh itself, without a lab: how it begins, what it makes anew, and what it calls passed."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from framework import paths
from framework.lab import own_test_parts


@pytest.mark.skipif(os.geteuid() != 0, reason="who isn't root has seen it")
def test_the_lab_is_for_any_user():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        for part in ("scripts", "e2e/kvm-lab"):
            shutil.copytree(paths.ROOT / part, pathlib.Path(folder) / part)
        done = subprocess.run([f"{folder}/e2e/kvm-lab/run.sh", "test_a.py"], capture_output=True, text=True, user=65534, cwd="/", check=False,
                              env={"PATH": os.environ["PATH"], "HOME": folder})
    assert done.returncode == 1 and f"there is no {folder}/build/release/bin/qarax-node" in done.stderr
    assert "way out: cmake --preset release" in done.stderr


def test_the_lab_that_was_to_try_cloud_hypervisor_wants_its_program(tmp_path):
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": str(tmp_path)}
    for asked, why in {"cloud_hv": "CLOUD_HYPERVISOR names no program", "qemu cloud_hv": "CLOUD_HYPERVISOR names no program", " ": "names no hypervisor"}.items():
        done = subprocess.run([paths.ROOT / "e2e/kvm-lab/run.sh", "--check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              env=env | {"QARAX_LAB_HYPERVISORS": asked})
        assert done.returncode == 1 and why in done.stderr, done.stdout + done.stderr


LAB_STAND_INS = {
    "dpkg-deb": 'mkdir -p "$3/lib/modules/$(cat "$2")" && touch "$3/lib/modules/$(cat "$2")/modules.builtin"',
    "mke2fs": ":",
    "fakeroot": 'while [ "$1" != -- ]; do shift; done\nshift\nexec "$@"',
    # Its last two arguments are the archive and the mirror.
    "mmdebstrap": 'echo "$*" >>"$CALLS"\nwhile [ $# -gt 2 ]; do shift; done\ntar -cf "$1" -T /dev/null',
}


def test_the_labs_root_has_the_modules_of_the_guests_kernel(tmp_path):
    for part in ("scripts", "e2e/kvm-lab"):
        shutil.copytree(paths.ROOT / part, tmp_path / part)
    scripts = {tmp_path / "bin" / name: lines for name, lines in LAB_STAND_INS.items()}
    scripts[tmp_path / "e2e/guest/build.sh"] = ":"
    scripts[tmp_path / "e2e/kvm-lab/fill.sh"] = "echo the root is there; exit 1"  # as far as this test goes
    for path, lines in scripts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{lines}\n")
        path.chmod(0o755)
    node = tmp_path / "build/bin/qarax-node"
    node.parent.mkdir(parents=True)
    shutil.copy("/bin/true", node)  # a program with libraries
    release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    kernel = tmp_path / "guest-cache" / release["VERSION_CODENAME"].strip('"') / "kernel.deb"
    kernel.parent.mkdir(parents=True)
    calls = tmp_path / "calls"
    env = {k: v for k, v in os.environ.items() if not k.startswith(("QARAX_", "CLOUD_HYPERVISOR"))} | {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "TMPDIR": str(tmp_path), "QARAX_BUILD": str(tmp_path / "build"),
        "QARAX_GUEST_CACHE": str(tmp_path / "guest-cache"), "QARAX_LAB_CACHE": str(tmp_path / "lab-cache")}
    for modules, made in (("6.1.1", 1), ("6.1.1", 1), ("6.1.2", 2)):
        kernel.write_text(modules)
        done = subprocess.run([tmp_path / "e2e/kvm-lab/run.sh", "--check"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60, env=env)
        assert "the root is there" in done.stdout + done.stderr, done.stdout + done.stderr
        assert len(calls.read_text().splitlines()) == made
        assert f"/lib/modules/{modules}'" in calls.read_text().splitlines()[-1]


def test_the_lab_is_asked_without_the_users_proxy():
    asks = [line for line in (paths.ROOT / "e2e/kvm-lab/run.sh").read_text().splitlines() if "curl " in line]
    assert asks and all("--noproxy '*'" in line for line in asks)


def test_a_plugin_that_the_lab_never_tried_has_not_passed(tmp_path):
    console = tmp_path / "console"

    def judge(said: str, *plugins: str) -> tuple[int, str]:
        console.write_text(said)
        done = subprocess.run([paths.ROOT / "e2e/kvm-lab/checked.sh", console, *plugins], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    qemu = "57 rules\r\nlab: checked qemu: 0\r\nlab report: {}\r\n"
    assert judge(qemu, "qemu") == (0, "")
    assert judge(qemu, "qemu", "cloud_hv") == (1, "cloud_hv was never tried\n")
    assert judge("lab: checked qemu: 1\r\n", "qemu") == (1, "qemu: qarax-plugin-check ended with 1\n")
    assert judge("[    1.0] Kernel panic\n", "qemu") == (1, "qemu was never tried\n")


def test_no_part_of_the_plugins_own_test_is_left_out():
    program = paths.BUILD / "plugins/hypervisors/cloud_hypervisor/qarax_plugin_cloud_hv_test"
    if not program.exists():
        pytest.skip(f"{paths.BUILD} has no tests")
    suite, parts = "", []
    for line in subprocess.check_output([program, "--gtest_list_tests", "--gtest_filter=Real/*:RealGuest.*"], text=True).splitlines():
        if not line.startswith(" "):
            suite = line
        else:
            # Which of the values a suite was given is its own affair: the lab gives one.
            parts.append(re.sub(r"/\w+$", "/*", suite + line.split("#")[0].strip()))
    assert sorted(parts) == sorted(own_test_parts())
