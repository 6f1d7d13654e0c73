"""python -m crash [--kills N] [--seed N] [--parallel N] [--seconds N] [--database URL]: the long run, started by hand."""

import argparse
import json
import sys
import time

from .harness import Harness

parser = argparse.ArgumentParser(prog="python -m crash", description="Kills agent, server and VMM at every step and counts what is lost.")
parser.add_argument("--kills", type=int, default=1000)
parser.add_argument("--seed", type=int, default=int(time.time()))
parser.add_argument("--parallel", type=int, default=2, help="requests under way at once")
parser.add_argument("--seconds", type=float, help="end after this time, whatever was reached")
parser.add_argument("--database", help="postgres://…; an SQLite file of its own without")
options = parser.parse_args()

print(f"seed {options.seed}", flush=True)
harness = Harness(options.seed, options.parallel, options.database)
try:
    report = harness.run(options.kills, options.seconds)
finally:
    left = harness.close()
print(json.dumps({**report, "left behind": left}, indent=2))
sys.exit(1 if report["faults"] or left else 0)
