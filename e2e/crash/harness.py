"""Kills agent, server and VMM at every step of a VM's life, and looks whether anything was lost or left. See README.md."""

import collections
import json
import random
import threading
import time

import requests

from framework.api import Api
from framework.stack import Stack, wait_for

from .killpoint import Killpoint, helper, start_under
from .model import ACTIONS, BEGINS, GONE, HOST_ACTIONS, Asked, Vm, allowed

POPULATION = 6
# What dies while the agent works on it, and the process that is looked for: killpoint.c.
OF_A_VM = {"vmm": "qemu-", "supervisor": "qarax-superv"}
QUIET = 0.4  # of the rounds kill nothing: else few VMs would come as far as running
RELAPSE = 0.5  # of the killed servers and agents are killed again while they start, up to MOST_RELAPSES times in a row
MOST_RELAPSES = 3
SETTLE = 30.0


class Harness:
    def __init__(self, seed: int, parallel: int = 2, database: str | None = None, say=print):
        self.random = random.Random(seed)
        self.parallel = parallel
        self.say = say
        self.stack = Stack(server_settings={"vm": {"stop_timeout": "300ms"}, **({"database": database} if database else {})})
        self.node = self.stack.add_node(plugins=[self.stack.qemu_plugin()], boot={"kernel": helper("idle_guest"), "cmdline": "idle"})
        self.host_id = self.stack.api.hosts()[0]["id"]
        wait_for("the accelerator is settled", lambda: self.stack.api.hosts()[0].get("accelerator") != "probing")
        self.vms: list[Vm] = []
        self.made = 0
        self.keys = 0
        # How many calls with an effect each (victim, action) makes, learned: the moment is drawn below it.
        self.reach = collections.defaultdict(lambda: 24)
        self.kills = collections.Counter()
        self.calls = collections.Counter()
        self.misses = 0
        self.faults = collections.defaultdict(list)

    # -- one round --
    def round(self) -> bool:
        """One attempt at a kill; whether it came to one."""
        if self.random.random() < QUIET:
            self.quiet_round()
            return False
        victim = self.random.choice(["agent", "agent", "agent", "server", "server", "server", "vmm", "supervisor"])
        if victim in OF_A_VM and not any(vm.state in ("running", "paused") for vm in self.vms):
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
        # Learned from what was counted; drifts up where the moment is always reached.
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
            self.judge_end(target)
        if of_host:
            self.judge_host(*of_host)
        self.judge(asks, target if killed and victim == "vmm" else None)
        return killed

    def revive(self, victim: str, program) -> None:
        """Starts it again; now and then it is killed in the midst of that, at any call of its own start."""
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
                    self.fault("wrong", None, f"the {victim} didn't come up within {SETTLE} s")
                    break
            verdict, count, call = shot.end()
            if verdict != "killed":
                # It is up, and stays so.
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
            # QEMU writes a stopped guest once: the next snapshot is refused until it has run again.
            is_held = asked.action == "snapshot" and asked.before == "paused" and asked.status == 409
            if not asked.acknowledged and not is_held:
                self.fault("wrong", asked, f"nothing was killed, and it failed: {asked.text[:300]}")
        self.judge(asks, None)

    def choose(self, victim: str) -> list:
        alive = [vm for vm in self.vms if victim not in OF_A_VM or vm.state in ("running", "paused")]
        asks = []
        while len(asks) < self.parallel:
            if len(alive) == 0 or (len(self.vms) < POPULATION and victim not in OF_A_VM and self.random.random() < 0.4):
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

    def judge_host(self, action: str, key: str) -> None:
        """What a client does that was told to come back, or nothing: in the end it is told that it is done, once."""
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
            self.fault("wrong", None, f"{action}, made again, is answered {told}")

    def up(self) -> None:
        alive = Api(self.stack.server.base, timeout=10)
        wait_for("the server answers", lambda: self.stack.server_alive() and alive.call("GET", "/livez").status_code == 200, 30, 0.01)
        self.stack.api.session.close()
        self.stack.wait_host(self.host_id, "up")

    # -- what must be true now --
    def judge(self, asks: list, vmm_killed: Vm | None) -> None:
        for asked in asks:
            asked.vm.history.append((asked.action, asked.before, asked.status))
            if asked.action == "create":
                self.judge_create(asked)
            else:
                before = sum(map(len, self.faults.values()))
                seen = self.settled(asked.vm)
                may = allowed(asked, vmm_killed is asked.vm)
                if before != sum(map(len, self.faults.values())):
                    may = {seen}
                if seen not in may:
                    kind = "lost" if asked.acknowledged else "wrong"
                    if seen == GONE and asked.action != "delete":
                        kind = "vm lost"
                    self.fault(kind, asked, f"is {seen}, may be {sorted(may)}")
                asked.vm.state = seen
                if seen != GONE:
                    self.judge_snapshots(asked)
                # 422: no host fits, as the only one is down just now.
                if not asked.acknowledged and 400 <= asked.status < 500 and asked.status not in (404, 409, 422):
                    self.fault("wrong", asked, f"refused with {asked.status}: {asked.text[:300]}")
        asked_of = {id(a.vm) for a in asks}
        for vm in self.vms:
            if id(vm) not in asked_of and vm.state != GONE and vm is not vmm_killed:
                seen = self.settled(vm)
                if seen not in (vm.state, GONE):
                    self.fault("vm lost", None, f"{vm.name} was {vm.state} and nobody asked anything of it, is {seen}; {vm.history}")
                    vm.state = seen
        self.judge_processes()
        self.judge_jobs()
        self.vms = [vm for vm in self.vms if vm.state != GONE]

    def judge_snapshots(self, asked: Asked) -> None:
        """Each is there whole or not at all, on the server and on the disk, and none goes by itself."""
        listed = {s["id"]: s["status"] for s in self.stack.api.ok("GET", f"/vms/{asked.vm.id}/snapshots").json()}
        if set(listed.values()) - {"ready"}:
            self.fault("wrong", asked, f"snapshots that are neither ready nor gone: {listed}")
        promised = asked.vm.snapshots | ({json.loads(asked.text)["id"]} if asked.action == "snapshot" and asked.acknowledged else set())
        if promised - set(listed):
            self.fault("lost", asked, f"snapshots {promised - set(listed)} aren't there")
        folder = self.node.vm_dir(asked.vm.id) / "snapshots"
        kept = {p.name for p in folder.iterdir() if not p.name.startswith(".")} if folder.exists() else set()
        if kept != set(listed):
            self.fault("leak", asked, f"on the disk are snapshots {kept}, listed are {set(listed)}")
        asked.vm.snapshots = set(listed)

    def judge_end(self, vm: Vm) -> None:
        """A VMM that was killed is seen within a second, whatever was asked of its VM meanwhile."""
        seen = lambda: self.stack.api.call("GET", f"/vms/{vm.id}")  # noqa: E731
        try:
            wait_for("the end is seen", lambda: seen().json()["status"] in ("shutdown", 404), 1, 0.01)
        except AssertionError:
            self.fault("wrong", None, f"the VMM of {vm.name} was killed, and a second later it is {seen().json()['status']}; {vm.history}")

    def judge_create(self, asked: Asked) -> None:
        found = [v for v in self.stack.api.vms() if v["name"] == asked.vm.name]
        if not found:
            if asked.acknowledged:
                self.fault("lost", asked, "was answered 201 and isn't there")
            return
        if asked.acknowledged and found[0]["id"] != asked.text:
            self.fault("lost", asked, f"has another id than the answer's {asked.text}")
        asked.vm.id, asked.vm.state = found[0]["id"], "created"
        self.vms.append(asked.vm)

    def settled(self, vm: Vm) -> str:
        """The state once no job is at work on it; a job that never ends or a state that stays unknown is a fault."""
        seen = {}

        def rest():
            nonlocal seen
            response = self.stack.api.call("GET", f"/vms/{vm.id}")
            if response.status_code == 404:
                seen = {"status": GONE}
                return True
            seen = response.json()
            return not seen["activity"] and seen["status"] != "unknown"

        try:
            wait_for(f"{vm.name} at rest", rest, SETTLE, 0.01)
        except AssertionError:
            kind = "job not final" if seen.get("activity") else "vm lost"
            self.fault(kind, None, f"{vm.name} stays {seen.get('status')} ({seen.get('status_reason')}), activity {seen.get('activity')}; {vm.history}")
            # Counted once; the run goes on without it.
            self.stack.api.call("DELETE", f"/vms/{vm.id}")
            return GONE
        return seen["status"]

    def judge_processes(self) -> None:
        """A VMM for each VM that runs, none for any other, and the same one as before where nothing ended it."""
        want = {vm.id for vm in self.vms if vm.state in ("running", "paused")}
        try:
            wait_for("VMMs as the VMs say", lambda: set(self.node.vmm_pids()) == want, 5, 0.02)
        except AssertionError:
            have = set(self.node.vmm_pids())
            for extra in have - want:
                self.fault("leak", None, f"a VMM runs for {extra}, {self.history_of(extra)}")
            for missing in want - have:
                self.fault("vm lost", None, f"no VMM runs for {missing}, {self.history_of(missing)}")
        pids = self.node.vmm_pids()
        for vm in self.vms:
            now = pids.get(vm.id)
            started = vm.history and vm.history[-1][0] in BEGINS
            if vm.pid and now and vm.pid != now and not started:
                self.fault("vm lost", None, f"{vm.name} has another VMM than before; {vm.history}")
            vm.pid = now
        folders = {p.name for p in (self.node.data / "vms").iterdir()} if (self.node.data / "vms").exists() else set()
        for extra in folders - {vm.id for vm in self.vms if vm.state != GONE}:
            try:
                wait_for("no folder", lambda: not (self.node.data / "vms" / extra).exists(), 5, 0.02)
            except AssertionError:
                self.fault("leak", None, f"a folder is left of {extra}, {self.history_of(extra)}")

    def judge_jobs(self) -> None:
        unfinished = []

        def all_ended():
            response = self.stack.api.session.get(self.stack.server.base + "/jobs", timeout=10)
            if response.status_code != 200:
                self.fault("wrong", None, f"GET /jobs is {response.status_code}: {response.text[:300]}")
                return True
            unfinished[:] = [j for j in response.json() if j["state"] not in ("completed", "failed", "superseded", "cancelled")]
            # Those of VMs are judged when their VMs are at rest; a host's may be carried on by a server that has just begun.
            return all(j["vm_id"] for j in unfinished)

        try:
            wait_for("the host's jobs have ended", all_ended, SETTLE, 0.02)
        except AssertionError:
            pass
        for job in unfinished:
            self.fault("job not final", None, json.dumps(job))

    def history_of(self, vm_id: str) -> list:
        return next((vm.history for vm in self.vms if vm.id == vm_id), ["a VM that is gone"])

    def fault(self, kind: str, asked: Asked | None, text: str) -> None:
        if asked is not None:
            text = f"{asked.action} of {asked.vm.name} from {asked.before} answered {asked.status or 'nothing'}: {text}; {asked.vm.history}"
        self.faults[kind].append(text)
        self.say(f"FAULT {kind}: {text}")

    # -- the whole --
    def run(self, kills: int, seconds: float | None = None) -> dict:
        begun, told = time.monotonic(), 0
        while sum(self.kills.values()) < kills and (seconds is None or time.monotonic() - begun < seconds):
            self.round()
            done = sum(self.kills.values())
            if done >= told + 100 and self.say is print:
                told = done
                print(f"{done} kills, {time.monotonic() - begun:.0f} s, faults {sum(map(len, self.faults.values()))}", flush=True)
        return self.report(time.monotonic() - begun)

    def report(self, seconds: float) -> dict:
        return {
            "kills": sum(self.kills.values()),
            "VMs lost": len(self.faults["vm lost"]),
            "VMs leaked": len(self.faults["leak"]),
            "acknowledged changes lost": len(self.faults["lost"]),
            "jobs not final": len(self.faults["job not final"]),
            "wrong answers": len(self.faults["wrong"]),
            "rounds without a kill": self.misses,
            "seconds": round(seconds),
            "by victim and action": dict(sorted(self.kills.items())),
            "by system call": dict(self.calls.most_common()),
            "faults": {kind: texts for kind, texts in self.faults.items() if texts},
        }

    def close(self) -> list:
        return self.stack.close(keep=any(self.faults.values()))


class Recovered:
    """Whether what was just started serves again. A host that is still called up is so until the agent's end is seen."""

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
