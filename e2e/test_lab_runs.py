"""What kvm-lab/run.sh does with a lab's end, and what it calls passed. Pytest is real; the lab's QEMU, its node, the server and
what makes images are stand-ins."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from framework import paths

FAKEROOT = 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
# The server, as curl hears it.
SERVER = '''case "${@: -1}" in
  */hosts) echo '[{"id":"1","accelerator":"kvm","accelerator_evidence":"a trial"}]';;
  *) echo '[]';;
esac'''
# The lab: its console says what the test has put down as its last words, and then it has ended.
LAB = '''[ "$1" != --version ] || { echo "QEMU, a stand-in"; exit; }
for one; do case "$one" in file:*) console=${one#file:};; esac; done
echo booted >>"$STATE/labs"
echo "lab: a guest said: [    1.0] Kernel panic" >"$console"
trap 'exit' TERM
until [ -e "$STATE/last-words" ]; do sleep 0.05; done
mv "$STATE/last-words" "$STATE/said"
cat "$STATE/said" >>"$console"'''
TESTS = '''
import os, pathlib, time, pytest
state = pathlib.Path(os.environ["STATE"])
PANIC = "[   99.500000] Kernel panic - not syncing: Fatal exception\\r\\n"

def the_lab_ends(times, words=PANIC):
    if len((state / "labs").read_text().splitlines()) > times:
        return
    (state / "new").write_text(words)
    (state / "new").rename(state / "last-words")
    time.sleep(100)  # until it is interrupted
'''


class Script:
    def __init__(self, root: pathlib.Path):
        self.root = root
        for part in ("scripts", "e2e/kvm-lab"):
            shutil.copytree(paths.ROOT / part, root / part)
        (root / "scripts/lib/python.sh").write_text("python_env() { :; }\n")
        (root / "e2e/pytest.ini").write_text("[pytest]\nmarkers =\n  anywhere\n  lab\n")
        release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
        cache = root / "cache" / release["VERSION_CODENAME"].strip('"')
        programs = {"bin": {"fakeroot": FAKEROOT, "mke2fs": ":", "cpio": "cat >/dev/null", "curl": SERVER, "qemu": LAB, "vmm": ":",
                            "ldd": "echo 'liba.so => /bin/sh (0x1)'", "dpkg": 'echo "liba: $2"'},
                    "build/release/bin": {"qarax-server": "exec sleep 1000", "qarax-node": ":"},
                    "build/venv/bin": {"python": f'exec {sys.executable} "$@"'},
                    "e2e/guest": {"build.sh": 'mkdir -p "$1" && touch "$1/vmlinuz" "$1/initramfs.cpio"'}}
        for folder, scripts in programs.items():
            (root / folder).mkdir(parents=True, exist_ok=True)
            for name, lines in scripts.items():
                self.program(root / folder / name, lines)
        self.plugin = root / "build/release/plugins/cloud_hv.so"
        self.own_test = root / "build/test/plugins/hypervisors/cloud_hypervisor/qarax_plugin_cloud_hv_test"
        self.source = root / "plugins/hypervisors/cloud_hypervisor/program.cpp"
        for path in (self.plugin, self.source, cache / "owners", cache / "root/sbin/lab-init", cache / "root/bin/busybox",
                     cache / "root/usr/local/bin/cloud-hypervisor", cache / "root/lib/modules/virtio.ko"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self.own_test.parent.mkdir(parents=True)
        (root / "plugin-sdk").mkdir()
        self.program(self.own_test, ":")
        (cache / "kernel.deb").write_text("kernel")
        # The root is there, made of what run.sh asks for.
        (cache / "packages").write_text(f"kmod,iproute2,qemu-system-x86,seabios,liba kernel {hashlib.sha256(b'kernel').hexdigest()}\n")
        self.state = root / "state"
        self.state.mkdir()
        self.env = {k: v for k, v in os.environ.items() if not k.startswith(("QARAX_", "CLOUD_HYPERVISOR", "PYTEST_"))} | {
            "PATH": f"{root / 'bin'}:{os.environ['PATH']}", "TMPDIR": str(root), "QARAX_LAB_QEMU": "qemu", "STATE": str(self.state),
            "QARAX_LAB_CACHE": str(root / "cache"), "QARAX_GUEST_CACHE": str(root / "cache"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    @staticmethod
    def program(path: pathlib.Path, lines: str) -> None:
        path.write_text(f"#!/bin/bash\n{lines}\n")
        path.chmod(0o755)

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess:
        return subprocess.run([self.root / "e2e/kvm-lab/run.sh", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300,
                              env=self.env | env, check=False)

    def tests(self, text: str) -> None:
        (self.root / "e2e/test_in_it.py").write_text(TESTS + text)


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path)


FIVE = '''
def test_first(): pass

def test_failing():
    assert len((state / "labs").read_text().splitlines()) > 1

@pytest.mark.skip(reason="no disk")
def test_skipped(): pass

def test_hit(): the_lab_ends(TIMES)

def test_last(): pass
'''


def test_what_has_not_passed_when_the_labs_kernel_panics_goes_on_in_another(script):
    script.tests(FIVE.replace("TIMES", "1"))
    done = script.run("test_in_it.py", QARAX_LAB_HYPERVISORS="qemu")
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line.partition("| ")[2] for line in done.stdout.splitlines()]
    at = said.index("qemu, lab 1, whose kernel panicked: 1 passed: test_first; 1 failed: test_failing; 1 under way at its end: test_hit")
    assert said[at + 1] == "qemu, lab 2: 3 passed: test_failing, test_hit, test_last"
    assert "passed: qemu; not tried:" in done.stdout and "all passed" not in done.stdout
    assert said[-1] == "qemu: test_skipped (no disk)"
    assert "Kernel panic - not" in (script.root / "build/logs/lab-qemu-1.log").read_text()


def test_two_fresh_labs_are_enough(script):
    script.tests(FIVE.replace("TIMES", "3"))
    done = script.run("test_in_it.py", QARAX_LAB_HYPERVISORS="qemu")
    assert done.returncode == 1 and len((script.state / "labs").read_text().splitlines()) == 3
    assert "FAILED at \"the lab with qemu, number 3\": the lab's own kernel panicked" in done.stderr
    assert "| qemu, lab 2, whose kernel panicked: 1 passed: test_failing; 1 under way at its end: test_hit\n" in done.stderr
    assert "| qemu, lab 3, whose kernel panicked: 1 under way at its end: test_hit\n" in done.stderr


@pytest.mark.parametrize("body,why", [
    ('the_lab_ends(1, "lab: the node ended with 134\\n")', "the lab ended while it was used"),
    ('assert False', "tests failed with qemu in the lab"),
])
def test_what_fails_without_a_panic_has_failed(script, body, why):
    script.tests(f"def test_passing(): pass\ndef test_failing(): {body}\n")
    done = script.run("test_in_it.py", QARAX_LAB_HYPERVISORS="qemu")
    assert done.returncode == 1 and f": {why}\n" in done.stderr, done.stdout + done.stderr
    assert (script.state / "labs").read_text() == "booted\n"
    assert "| qemu, lab 1: 1 passed; 1 " in done.stderr


def test_where_nothing_was_left_out_all_passed(script):
    script.tests("def test_one(): pass\n")
    done = script.run("test_in_it.py", CLOUD_HYPERVISOR=str(script.root / "bin/vmm"))
    assert done.returncode == 0 and done.stdout.endswith("] all passed: qemu cloud_hv\n"), done.stdout + done.stderr
    assert "| qemu, lab 1: 1 passed\n           | cloud_hv, lab 1: 1 passed\n" in done.stdout
    assert "| cloud_hv (CLOUD_HYPERVISOR names no program)\n" in script.run("test_in_it.py").stdout


def test_a_plugins_own_test_that_may_be_another_plugins_is_none(script):
    script.tests("def test_one(): pass\n")
    (script.root / "e2e/test_kvm_lab.py").write_text("def test_two(): pass\n")
    filled = script.root / "cache" / os.listdir(script.root / "cache")[0] / "root/opt/qarax/cloud_hv_test"

    def run(*arguments: str) -> str:
        done = script.run(*arguments, CLOUD_HYPERVISOR=str(script.root / "bin/vmm"), QARAX_LAB_HYPERVISORS="qemu")
        assert (done.returncode == 0) == ("all passed" in done.stdout), done.stdout + done.stderr
        return done.stderr

    def made(path: pathlib.Path, at: int) -> None:
        os.utime(path, (at, at))

    made(script.source, 1000)
    made(script.own_test, 2000)
    made(script.plugin, 3000)
    assert run("test_kvm_lab.py") == "" and filled.exists(), "later, but of the same sources"
    made(script.source, 2500)
    said = run("test_kvm_lab.py")
    assert f"{script.own_test} is older than {script.plugin}" in said
    assert f"way out: cmake --build {script.root}/build/test --target qarax_plugin_cloud_hv_test && touch {script.own_test}" in said
    assert run("test_in_it.py") == "" and not filled.exists(), "other tests can do without"
    script.own_test.unlink()
    assert "way out: cmake --preset test && cmake --build build/test --target qarax_plugin_cloud_hv_test" in run("test_kvm_lab.py")
