"""Row 13 on PostgreSQL: creates at REST, against the same statements by hand (pgbench) on a database of the same schema in
the same cluster."""

import json
import pathlib
import re
import shutil
import subprocess

from framework.postgres import Postgres
from framework.stack import Stack

HERE = pathlib.Path(__file__).resolve().parent
BODY = {"name": "sample", "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 128 << 20}


class Creates:
    """A cluster with a database for each side, until close()."""

    def __init__(self):
        self.cluster = Postgres()
        self.url, self.by_hand = self.cluster.database(), self.cluster.database()
        # The server makes the other schema too, and rows whose values are as long as those of ours.
        made = Stack({"database": self.by_hand})
        made.api.ok("POST", "/vms", json=BODY)
        self.values = {}
        for name, table in (("vm", "vms"), ("job", "jobs"), ("event", "events")):
            row = json.loads(self.cluster.sql(f"SELECT row_to_json({table}) FROM {table} ORDER BY 1::text LIMIT 1", self.by_hand))
            self.values |= {f"{name}_{column}": value for column, value in row.items() if value not in (None, "")}
        made.close()
        self.cluster.sql("CREATE SEQUENCE bench START 1000", self.by_hand)
        self.stack = Stack({"database": self.url, "log": {"level": "warn"}})

    def hand(self, clients: int, seconds: int = 3) -> float:
        pgbench = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/pgbench"))
        values = [f"-D{name}={value}" for name, value in self.values.items()]
        said = subprocess.run([pgbench, "-n", "-M", "prepared", "-c", str(clients), "-T", str(seconds), *values, "-f", HERE / "create.sql", self.by_hand],
                              capture_output=True, text=True, check=True).stdout
        assert re.search(r"failed transactions: 0\b", said), said
        return float(re.search(r"tps = ([\d.]+)", said)[1])

    def ours(self, connections: int, seconds: int = 3) -> float:
        before = len(self.stack.api.all_vms())
        said = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", HERE / "create.lua", self.stack.server.base],
                              capture_output=True, text=True, check=True).stdout
        rate = float(next(line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec")))
        assert "Non-2xx" not in said and len(self.stack.api.all_vms()) - before >= rate * seconds * 0.9, said
        return rate

    def close(self) -> None:
        # The VMs end with their database: a DELETE for each would take longer than the benchmark.
        self.stack.server.stop()
        shutil.rmtree(self.stack.folder)
        self.cluster.end()
