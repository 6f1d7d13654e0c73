"""python soak.py [--simulator N] [--qemu N]: makes, uses and deletes VMs by the thousand, and looks for what is left.

After a warm-up (thread pools, caches, the allocator's arenas) everything that a VM takes is counted, and again once all VMs
are gone: descriptors, threads, processes, files and control groups must be exactly as before, and memory within a bound.
Tombstones are left out: the node keeps a small file for each of the latest 10,000 deleted VMs, which refuses late commands for
it; the report counts them. test_soak.py is a short run of this."""

import argparse
import collections
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import sys
import time

from crash.killpoint import helper
from framework.api import Api
from framework.stack import Program, Stack, wait_for

AT_ONCE = 4
WARM_UP = 100
# Bytes for each program over 1,000 lifecycles: the server keeps 1,000 finished jobs in memory, by design.
MEMORY_BOUND = 8 << 20
GRPC_THREADS = {"default-executo", "resolver-execut", "event_engine", "grpc_global_tim", "nexting_thread", "timer_manager"}
LIBRARY_THREADS = 4 * os.cpu_count()  # so many more of them than before are allowed


@dataclasses.dataclass(frozen=True)
class Footprint:
    fds: dict  # kind → number
    threads: dict  # of qarax's own, name → number
    library_threads: int  # gRPC's: it makes some for each CPU when it is busy, and keeps them
    memory: int  # anonymous PSS in bytes, which leaves out files shared with other programs

    @staticmethod
    def of(program: Program) -> "Footprint":
        proc = pathlib.Path(f"/proc/{program.pid}")
        kinds = collections.Counter()
        for fd in (proc / "fd").iterdir():
            try:
                kinds[str(fd.readlink()).split("[")[0].split(":")[0]] += 1
            except FileNotFoundError:
                continue
        rollup = dict(line.split(":", 1) for line in (proc / "smaps_rollup").read_text().splitlines()[1:])
        names = []
        for task in (proc / "task").iterdir():
            try:
                names.append((task / "comm").read_text().strip())
            except (FileNotFoundError, ProcessLookupError):
                continue
        library = sum(name in GRPC_THREADS for name in names)
        ours = collections.Counter(name for name in names if name not in GRPC_THREADS)
        return Footprint(dict(sorted(kinds.items())), dict(sorted(ours.items())), library, int(rollup["Pss_Anon"].split()[0]) << 10)


class Soak:
    def __init__(self, hypervisor: str):
        self.hypervisor = hypervisor
        self.stack = Stack({"vm": {"stop_timeout": "300ms"}})
        if hypervisor == "qemu":
            self.node = self.stack.add_node(plugins=[self.stack.qemu_plugin()], boot={"kernel": helper("idle_guest"), "cmdline": "idle"})
            wait_for("the accelerator is settled", lambda: self.stack.api.hosts()[0].get("accelerator") != "probing")
        else:
            self.node = self.stack.add_node(plugins=[self.stack.simulator_plugin()], boot={})
        self.made = 0

    def lifecycle(self, name: str) -> None:
        api = Api(self.stack.server.base)
        try:
            vm = api.create(name, memory_size=32 << 20)
            for action in ("start", "pause", "resume", "reboot", "force-stop", "start"):
                api.act(vm, action)
            assert api.console(vm) is not None
            api.delete(vm)
        finally:
            api.session.close()

    def run(self, count: int) -> None:
        names = [f"soak-{self.made + i}" for i in range(count)]
        self.made += count
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(self.lifecycle, name) for name in names]:
                done.result()

    # -- what there is --
    def programs(self) -> dict:
        return {"server": Footprint.of(self.stack.server), "node": Footprint.of(self.node)}

    def things(self) -> dict:
        """What VMs take outside of the two programs, without tombstones, the latest of which stay."""
        marker = str(self.node.data).encode()
        processes = []
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv = entry.read_bytes()
            except OSError:
                continue
            if marker in argv:
                processes.append(argv.replace(b"\0", b" ").decode(errors="replace"))
        files = [str(p.relative_to(self.node.data)) for p in self.node.data.rglob("*") if "tombstones" not in p.parts]
        files += [str(p) for p in pathlib.Path(self.stack.server.data).rglob("*")]
        identity = (self.node.data / "node_id").read_text().strip()[:8]
        groups = [str(p) for p in pathlib.Path("/sys/fs/cgroup").glob(f"**/qarax-{identity}/*") if p.is_dir()]
        return {"processes": sorted(processes), "files": sorted(files), "cgroups": groups, "vms": self.stack.api.vms()}

    def at_rest(self) -> dict:
        """Returns the footprints once nothing has changed for longer than an idle thread waits for work (30 s)."""
        self.stack.api.session.close()
        seen, since = self.programs(), time.monotonic()
        while time.monotonic() - since < 35:
            time.sleep(0.5)
            now = self.programs()
            if any((now[name].fds, now[name].threads) != (seen[name].fds, seen[name].threads) for name in now):
                since = time.monotonic()
            seen = now
        return seen

    def report(self, count: int, warm_up: int) -> dict:
        self.run(warm_up)
        before, things = self.at_rest(), self.things()
        begun = time.monotonic()
        self.run(count)
        seconds = time.monotonic() - begun
        after = self.at_rest()
        faults = [f"{kind}: {things[kind]} became {now}" for kind, now in self.things().items() if now != things[kind]]
        for name, was in before.items():
            now = after[name]
            if any(count > was.fds.get(kind, 0) for kind, count in now.fds.items()):
                faults.append(f"descriptors of the {name}: {was.fds} became {now.fds}")
            if any(count > was.threads.get(kind, 0) for kind, count in now.threads.items()):
                faults.append(f"threads of the {name}: {was.threads} became {now.threads}")
            if now.library_threads > was.library_threads + LIBRARY_THREADS:
                faults.append(f"gRPC's threads in the {name}: {was.library_threads} became {now.library_threads}")
            if now.memory > was.memory + MEMORY_BOUND:
                faults.append(f"memory of the {name}: {was.memory >> 10} KiB became {now.memory >> 10} KiB")
        return {
            "hypervisor": self.hypervisor, "lifecycles": count, "seconds": round(seconds, 1),
            "before": {name: dataclasses.asdict(one) for name, one in before.items()},
            "after": {name: dataclasses.asdict(one) for name, one in after.items()},
            "tombstones": len(list((self.node.data / "tombstones").iterdir())),
            "things": {kind: len(what) for kind, what in things.items()},
            "faults": faults,
        }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python soak.py", description="Makes, uses and deletes many VMs, and looks for what is left.")
    parser.add_argument("--simulator", type=int, default=1000, metavar="N", help="lifecycles on the simulator")
    parser.add_argument("--qemu", type=int, default=100, metavar="N", help="lifecycles on QEMU")
    parser.add_argument("--warm-up", type=int, default=WARM_UP, metavar="N", help="lifecycles before the first look")
    options = parser.parse_args()
    bad = False
    for hypervisor, count in (("simulator", options.simulator), ("qemu", options.qemu)):
        if count == 0:
            continue
        soak = Soak(hypervisor)
        left = ["it didn't come to its end"]
        try:
            report = soak.report(count, options.warm_up)
        finally:
            left = soak.stack.close()
        print(json.dumps({**report, "left behind": left}, indent=2), flush=True)
        bad = bad or bool(report["faults"] or left)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
