"""Benchmarks: floor, ours, ratio and target in one table. `run.py [row…]`; see README.md."""

import os
import subprocess
import sys

import bench
import actions  # noqa: F401 - each enters its rows
import boots  # noqa: F401
import creates  # noqa: F401
import memory  # noqa: F401
import serving  # noqa: F401


def main():
    wanted = [float(a) for a in sys.argv[1:]] or sorted(bench.ROWS)
    b = bench.Bench()
    cpu = next(line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name"))
    print(f"{os.cpu_count()} × {cpu}, Linux {os.uname().release}, {subprocess.run([bench.QEMU, '--version'], capture_output=True, text=True).stdout.splitlines()[0]}, build {bench.paths.BUILD.name}\n")
    print("| # | what | floor | ours | ratio | target |\n| --- | --- | --- | --- | --- | --- |", flush=True)
    try:
        for number in wanted:
            what, target, measure = bench.ROWS[number]
            floor, ours, unit = measure(b)
            below = ("–", "–") if floor is None else (f"{floor:.4g} {unit}", f"{ours / floor:.2f}")
            print(f"| {number:g} | {what} | {below[0]} | {ours:.4g} {unit} | {below[1]} | {target} |", flush=True)
    finally:
        b.close()


if __name__ == "__main__":
    main()
