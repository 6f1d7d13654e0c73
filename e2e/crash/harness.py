"""Kills agent, server and VMM at every step of a VM's life; judge.py checks whether anything was lost or left. See README.md."""

import collections
import random
import threading
import time

import requests

from framework.api import Api
from framework.stack import Stack, wait_for

from .judge import SETTLE, Judge
from .killpoint import Killpoint, helper, start_under
from .model import ACTIONS, GONE, HOST_ACTIONS, Asked, Vm

POPULATION = 6
# Victims that belong to a VM the agent works on, and the beginning of their process name for killpoint.c.
OF_A_VM = {"vmm": "qemu-", "supervisor": "qarax-superv"}
QUIET = 0.4  # part of the rounds that kill nothing, because otherwise few VMs would get as far as running
RELAPSE = 0.5  # part of the killed servers and agents that are killed again while they start, at most MOST_RELAPSES times in a row
MOST_RELAPSES = 3


class Harness:
    def __init__(self, seed: int, parallel: int = 2, database: str | None = None, say=print):
        self.random = random.Random(seed)
        self.parallel = parallel
        self.say = say
        kernel = helper("idle_guest")
        self.stack = Stack(server_settings={"vm": {"stop_timeout": "300ms"}, **({"database": database} if database else {})})
        try:
            self.node = self.stack.add_node(plugins=[self.stack.qemu_plugin()], boot={"kernel": kernel, "cmdline": "idle"})
            self.host_id = self.stack.api.hosts()[0]["id"]
            wait_for("the accelerator is settled", lambda: self.stack.api.hosts()[0].get("accelerator") != "probing")
        except BaseException:
            self.stack.close(keep=True)
            raise
        self.judge = Judge(self.stack, self.node, say)
        self.made = 0
        self.keys = 0
        # Number of calls with an effect that each (victim, action) makes, learned from the runs. The kill's moment is drawn up to it.
        self.reach = collections.defaultdict(lambda: 24)
        self.kills = collections.Counter()
        self.calls = collections.Counter()
        self.misses = 0

    # -- one round --
    def round(self) -> bool:
        """Attempts one kill; returns whether it happened."""
        if self.random.random() < QUIET:
            self.quiet_round()
            return False
        victim = self.random.choice(["agent", "agent", "agent", "server", "server", "server", "vmm", "supervisor"])
        if victim in OF_A_VM and not any(vm.state in ("running", "paused") for vm in self.judge.vms):
            victim = "agent"
        asks = self.choose(victim)
        key = (victim, asks[0].action)
        at = self.random.randint(1, self.reach[key])
        program = self.stack.server if victim == "server" else self.node
        target = next((a.vm for a in asks if a.action != "create"), None)
        if victim in OF_A_VM:
            shot = Killpoint(program.pid, at, (target.id, OF_A_VM[victim]))
        else:
            shot = Killpoint(program.pid, at)
        threads = [threading.Thread(target=self.ask, args=(a,)) for a in asks]
        of_host = None
        if victim in ("agent", "server") and self.random.random() < 0.3:
            self.keys += 1
            of_host = (self.random.choice(HOST_ACTIONS), f"key-{self.keys}")
            threads.append(threading.Thread(target=self.ask_host, args=of_host))
        for thread in threads:
            thread.start()
        while any(t.is_alive() for t in threads) and not shot.wait(0.005):
            pass
        verdict, count, call = shot.end()
        # Learned from what was counted; grows while the moment is always reached.
        self.reach[key] = max(4, count + 1 if verdict == "counted" else self.reach[key] + (1 if at > self.reach[key] * 0.9 else 0))
        killed = verdict == "killed"
        if killed:
            self.kills[f"{victim} in {asks[0].action}"] += 1
            self.calls[call] += 1
            if victim not in OF_A_VM:
                program.process.wait(10)
                program.process = None
                self.revive(victim, program)
        else:
            self.misses += 1
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a request was never answered"
        self.up()
        if killed and victim == "vmm":
            self.judge.saw_the_end(target)
        if of_host:
            self.settle_host(*of_host)
        self.judge.judge(asks, target if killed and victim == "vmm" else None)
        return killed

    def revive(self, victim: str, program) -> None:
        """Starts the program again. Sometimes it is killed during that, at any call of its start."""
        key = (victim, "recovery")
        for _ in range(MOST_RELAPSES):
            if self.random.random() >= RELAPSE:
                break
            at = self.random.randint(1, self.reach[key])
            shot = start_under(program, at)
            up = Recovered(self, victim)
            limit = time.monotonic() + SETTLE
            while not shot.wait(0.01) and not up.seen():
                if time.monotonic() > limit:
                    self.judge.fault("wrong", None, f"the {victim} didn't come up within {SETTLE} s")
                    break
            verdict, count, call = shot.end()
            if verdict != "killed":
                # It came up without being killed.
                self.reach[key] = max(4, count + 1)
                self.misses += 1
                return
            if at > self.reach[key] * 0.9:
                self.reach[key] += 1
            self.kills[f"{victim} in recovery"] += 1
            self.calls[call] += 1
            program.process.wait(10)
            program.process = None
        program.start()

    def quiet_round(self) -> None:
        asks = self.choose("nobody")
        for asked in asks:
            self.ask(asked)
            # QEMU can save a stopped guest only once: another snapshot is refused until the guest has run again.
            is_held = asked.action == "snapshot" and asked.before == "paused" and asked.status == 409
            if not asked.acknowledged and not is_held:
                self.judge.fault("wrong", asked, f"nothing was killed, and it failed: {asked.text[:300]}")
        self.judge.judge(asks, None)

    def choose(self, victim: str) -> list:
        alive = [vm for vm in self.judge.vms if victim not in OF_A_VM or vm.state in ("running", "paused")]
        asks = []
        while len(asks) < self.parallel:
            if len(alive) == 0 or (len(self.judge.vms) < POPULATION and victim not in OF_A_VM and self.random.random() < 0.4):
                self.made += 1
                asks.append(Asked(Vm("", f"crash-{self.made}", GONE), "create", GONE))
                if victim in OF_A_VM or len(alive) == 0:
                    break
                continue
            vm = alive.pop(self.random.randrange(len(alive)))
            action = self.random.choice(ACTIONS[vm.state])
            asks.append(Asked(vm, "start" if action == "restore" and not vm.snapshots else action, vm.state))
            if not alive:
                break
        return asks

    def ask(self, asked: Asked) -> None:
        api = Api(self.stack.server.base, timeout=100)
        try:
            if asked.action == "create":
                body = {"name": asked.vm.name, "boot_vcpus": 1, "max_vcpus": 1, "memory_size": 32 << 20}
                response = api.call("POST", "/vms", json=body)
            elif asked.action == "delete":
                response = api.call("DELETE", f"/vms/{asked.vm.id}")
            elif asked.action == "snapshot":
                response = api.call("POST", f"/vms/{asked.vm.id}/snapshots")
            elif asked.action == "restore":
                response = api.call("POST", f"/vms/{asked.vm.id}/restore", json={"snapshot_id": min(asked.vm.snapshots)})
            else:
                response = api.call("POST", f"/vms/{asked.vm.id}/{asked.action}")
            asked.status, asked.text = response.status_code, response.text
        except requests.RequestException as e:
            asked.text = str(e)

    def ask_host(self, action: str, key: str) -> requests.Response | None:
        api = Api(self.stack.server.base, timeout=100)
        try:
            return api.call("POST", f"/hosts/{self.host_id}/{action}", headers={"Idempotency-Key": key})
        except requests.RequestException:
            return None

    def settle_host(self, action: str, key: str) -> None:
        """Repeats the request like a client that was told to retry, or got no answer: in the end it must be answered as done."""
        answers = []

        def answered():
            answers.append(self.ask_host(action, key))
            last = answers[-1]
            return last is not None and last.status_code != 503 and "idempotency-in-progress" not in last.text

        try:
            wait_for(f"an answer to {action}", answered, SETTLE, 0.05)
        except AssertionError:
            pass
        last = answers[-1]
        told = "nothing" if last is None else f"{last.status_code}: {last.text[:300]}"
        if not told.startswith("200"):
            self.judge.fault("wrong", None, f"{action}, made again, is answered {told}")

    def up(self) -> None:
        alive = Api(self.stack.server.base, timeout=10)
        wait_for("the server answers", lambda: self.stack.server_alive() and alive.call("GET", "/livez").status_code == 200, 30, 0.01)
        self.stack.api.session.close()
        self.stack.wait_host(self.host_id, "up")

    # -- the whole --
    def run(self, kills: int, seconds: float | None = None) -> dict:
        begun, told = time.monotonic(), 0
        while sum(self.kills.values()) < kills and (seconds is None or time.monotonic() - begun < seconds):
            self.round()
            done = sum(self.kills.values())
            if done >= told + 100 and self.say is print:
                told = done
                print(f"{done} kills, {time.monotonic() - begun:.0f} s, faults {self.judge.count()}", flush=True)
        return self.report(time.monotonic() - begun)

    def report(self, seconds: float) -> dict:
        return {
            "kills": sum(self.kills.values()),
            "VMs lost": len(self.judge.faults["vm lost"]),
            "VMs leaked": len(self.judge.faults["leak"]),
            "acknowledged changes lost": len(self.judge.faults["lost"]),
            "jobs not final": len(self.judge.faults["job not final"]),
            "wrong answers": len(self.judge.faults["wrong"]),
            "rounds without a kill": self.misses,
            "seconds": round(seconds),
            "by victim and action": dict(sorted(self.kills.items())),
            "by system call": dict(self.calls.most_common()),
            "faults": {kind: texts for kind, texts in self.judge.faults.items() if texts},
        }

    def close(self) -> list:
        return self.stack.close(keep=any(self.judge.faults.values()))


class Recovered:
    """Tells whether the restarted program serves again. A host that is reported as up counts only after it was seen down,
    because the server may not have noticed the agent's end yet."""

    def __init__(self, harness: Harness, victim: str):
        self.harness = harness
        self.was_down = victim == "server"
        self.api = Api(harness.stack.server.base, timeout=2)

    def seen(self) -> bool:
        try:
            if self.api.call("GET", "/livez").status_code != 200:
                return False
            up = self.api.hosts()[0]["status"] == "up"
        except (requests.RequestException, IndexError):
            return False
        self.was_down = self.was_down or not up
        return up and self.was_down
