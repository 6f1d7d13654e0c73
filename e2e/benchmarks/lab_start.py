#!/usr/bin/env python3
"""From the start to the guest's first words under KVM: through us, against the bare cloud-hypervisor command, turn about on
one host, the lab. Run by kvm-lab/run.sh, from this folder's parent:

    CLOUD_HYPERVISOR=/path QARAX_LAB_HYPERVISORS=cloud_hv kvm-lab/run.sh --do benchmarks/lab_start.py [TURNS]
"""

import contextlib
import os
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from framework.api import Api  # noqa: E402
from framework.lab import NODE, Lab, address  # noqa: E402

VMM = "/usr/local/bin/cloud-hypervisor"
SECCOMP = {"on": "true", "off": "false", "log": "log"}[os.environ.get("CLOUD_HYPERVISOR_SECCOMP", "on")]
WORDS = ("Linux version", "qarax guest:")
REST_S = 1
PATIENCE_S = 30  # a guest there is up in 5; one that has stopped in its boot never is, see ../kvm-lab/README.md


@contextlib.contextmanager
def told(lab: Lab, file: str):
    """A function that waits until each of WORDS stands in the file: when, by this machine's clock. Both sides are watched by
    the same program, which asks every 20 ms: the folder of one isn't there yet, so inotify can't be used."""
    with lab.shell() as shell:
        shell.socket.settimeout(PATIENCE_S)
        words = " ".join(f"-e '{word}'" for word in WORDS)
        shell.send(f"tail ---disable-inotify -s 0.02 --pid=$$ -n +1 -F {file} 2>/dev/null | grep -a --line-buffered -o {words} & echo ready")
        assert shell.line() == "ready"

        def times() -> list[float]:
            out = []
            for word in WORDS:
                while shell.line() != word:
                    pass
                out.append(time.monotonic())
            return out
        yield times


def bare(lab: Lab, kernel: str) -> list[float]:
    with told(lab, "/tmp/bare.serial") as times, lab.shell() as shell:
        shell.send("echo ready")
        assert shell.line() == "ready"
        begun = time.monotonic()
        shell.send(f"{VMM} --seccomp {SECCOMP} --cpus boot=1 --memory size=128M --kernel {kernel} --initramfs /opt/qarax/initramfs.cpio "
                   "--cmdline 'console=ttyS0 reboot=k panic=1' --rng src=/dev/urandom --console off --serial file=/tmp/bare.serial "
                   "</dev/null >/tmp/bare.log 2>&1 & echo $!")
        pid = shell.line()
        try:
            return [at - begun for at in times()]
        except TimeoutError:
            print(lab.run(f"wc -c /tmp/bare.serial; cat /tmp/bare.log /proc/{pid}/task/*/stat || true"), file=sys.stderr)
            raise
        finally:
            # As ours, which waits for the process to be gone: what it had is given back outside of the next turn.
            shell.send(f"kill -9 {pid}; wait; rm -f /tmp/bare.serial; echo gone")
            shell.line()


def ours(lab: Lab, api: Api, name: str) -> list[float]:
    vm = api.create(name, hypervisor="cloud_hv")
    try:
        with told(lab, f"{NODE}/vms/{vm}/run/1/console.log") as times:
            begun = time.monotonic()
            api.act(vm, "start")
            return [at - begun for at in times()]
    finally:
        api.act(vm, "force-stop")
        api.delete(vm)


def main() -> None:
    turns = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    lab = Lab(address())
    api = Api(os.environ["QARAX_URL"])
    # The file that our starts use: a bzImage is unpacked once, and the bare command shall not pay for it either.
    first = api.create("first", hypervisor="cloud_hv")
    api.act(first, "start")
    kernel = lab.run(f"ls {NODE}/images/*pvh* 2>/dev/null || ls /opt/qarax/vmlinuz").split()[0]
    api.delete(first)
    floor, mine, stopped = [], [], []
    for turn in range(turns):
        sides = [(floor, lambda: bare(lab, kernel)), (mine, lambda: ours(lab, api, f"turn-{turn}"))]
        # Turn about who goes first, too: memory that a guest has just left is slower to get, or quicker.
        for side, start in sides if turn % 2 == 0 else reversed(sides):
            time.sleep(REST_S)
            try:
                side.append(start())
            except TimeoutError:
                stopped.append("bare" if side is floor else "ours")
    print(f"{lab.run(VMM + ' --version').splitlines()[0]}, medians of {len(floor)} bare and {len(mine)} of ours; "
          f"guests that stopped in their boot: {', '.join(stopped) or 'none'}")
    print("| from the start to | bare command | through qarax | ratio | target |\n| --- | --- | --- | --- | --- |")
    for i, word in enumerate(WORDS):
        a, b = (statistics.median(times[i] for times in side) * 1000 for side in (floor, mine))
        print(f"| \"{word}\" | {a:.0f} ms | {b:.0f} ms | {b / a:.3f} | ≤ 1.05 |")


if __name__ == "__main__":
    main()
