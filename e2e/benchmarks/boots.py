"""From a start to a guest: alone, eight at once, and in which profile."""

import os
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench import BANNER, end, FIRST, median_ms, Qmp, row, wait_text


@row(1, "create + start → first guest output", "≤ 1.05 × bare QEMU")
def first_output(b):
    ours, floor = [], []
    for _ in range(6):
        begun = time.monotonic()
        process, serial, _ = b.bare()
        floor.append(wait_text(serial, FIRST) - begun)
        end(process)
        begun = time.monotonic()
        vm = b.start()
        ours.append(wait_text(b.console(vm), FIRST) - begun)
        b.api.delete(vm)
    return median_ms(floor), median_ms(ours), "ms"


@row(2, "start call alone", "≤ 1.15 × exec, QMP, cont")
def start_call(b):
    ours, floor = [], []
    for _ in range(8):
        begun = time.monotonic()
        process, _, monitor = b.bare(paused=True)
        Qmp(monitor).command("cont")
        floor.append(time.monotonic() - begun)
        end(process)
        vm = b.create()
        begun = time.monotonic()
        b.post(f"/vms/{vm}/start")
        ours.append(time.monotonic() - begun)
        b.api.delete(vm)
    return median_ms(floor), median_ms(ours), "ms"


@row(3, "our boot profile (PVH) → banner, against a plain bzImage on q35", "≤ 0.70 × plain")
def boot_profile(b):
    ours, floor = [], []
    for _ in range(4):
        begun = time.monotonic()
        process, serial = b.plain()
        floor.append(wait_text(serial, BANNER) - begun)
        end(process)
        begun = time.monotonic()
        process, serial, _ = b.bare()
        ours.append(wait_text(serial, BANNER) - begun)
        end(process)
    return median_ms(floor), median_ms(ours), "ms"


@row(9, "8 cold starts at once, VM/s", "≥ 0.95 × limited to the cores")
def eight(b):
    ours, floor = [], []

    def one_bare(_):
        process, serial, _ = b.bare()
        wait_text(serial, BANNER)
        return process

    for _ in range(2):
        begun = time.monotonic()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            processes = list(pool.map(one_bare, range(8)))
        floor.append(8 / (time.monotonic() - begun))
        for process in processes:
            end(process)
        vms = [b.create() for _ in range(8)]
        begun = time.monotonic()

        def one_ours(vm):
            b.api.__class__(b.api.base).act(vm, "start")
            wait_text(b.console(vm), BANNER, 180)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one_ours, vms))
        ours.append(8 / (time.monotonic() - begun))
        for vm in vms:
            b.api.delete(vm)
    return statistics.median(floor), statistics.median(ours), "VM/s"
