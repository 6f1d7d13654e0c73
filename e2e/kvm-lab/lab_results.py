"""What ran in which lab of run.sh. As a plugin of pytest (-p lab_results) it writes each test's outcome into the file
QARAX_LAB_RESULTS as soon as there is one, because the lab may end at any moment; and leaves out what passed or was skipped in an
earlier lab of the same hypervisor. run.sh has it say what came of it: lab_results.py labs|skipped FILE."""

import json
import os
import sys


def write(test: str, outcome: str, why: str = "") -> None:
    hypervisor, number = os.environ["QARAX_LAB_RUN"].split()
    with open(os.environ["QARAX_LAB_RESULTS"], "a") as file:
        file.write(json.dumps({"lab": [hypervisor, int(number)], "test": test, "outcome": outcome, "why": why}) + "\n")


def read(path: str) -> list[dict]:
    if not os.path.exists(path):
        return []
    with open(path) as file:
        return [json.loads(line) for line in file]


def pytest_collection_modifyitems(config, items):
    hypervisor = os.environ["QARAX_LAB_RUN"].split()[0]
    settled = {line["test"] for line in read(os.environ["QARAX_LAB_RESULTS"]) if line["lab"][0] == hypervisor and line["outcome"] in ("passed", "skipped")}
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in settled])
    items[:] = [item for item in items if item.nodeid not in settled]


# Of the test that runs, until its teardown is over, too: without that it hasn't passed.
_so_far: dict[str, tuple[str, str]] = {}


def pytest_runtest_logstart(nodeid):
    write(nodeid, "begun")


def pytest_runtest_logreport(report):
    if report.failed:
        _so_far[report.nodeid] = ("failed", "")
    elif report.skipped:
        _so_far[report.nodeid] = ("skipped", report.longrepr[2].removeprefix("Skipped: "))
    if report.when == "teardown":
        write(report.nodeid, *_so_far.pop(report.nodeid, ("passed", "")))


def name(test: str) -> str:
    return test.split("::", 1)[-1]


def labs(lines: list[dict]):
    """A line for each lab: of one whose hypervisor had no other how many tests, else which."""
    seen: dict[tuple, dict[str, str]] = {}
    for line in lines:
        seen.setdefault(tuple(line["lab"]), {})[line["test"]] = line["outcome"]
    for (hypervisor, number), outcomes in seen.items():
        panicked = outcomes.pop("", None)
        alone = sum(lab[0] == hypervisor for lab in seen) == 1
        said = []
        for outcome, title in {"passed": "passed", "failed": "failed", "begun": "under way at its end"}.items():
            if tests := [name(test) for test, ended in outcomes.items() if ended == outcome]:
                said.append(f"{len(tests)} {title}" + ("" if alone else ": " + ", ".join(tests)))
        yield f"{hypervisor}, lab {number}{', whose kernel panicked' if panicked else ''}: {'; '.join(said) or 'no test'}"


def skipped(lines: list[dict]):
    return [f"{line['lab'][0]}: {name(line['test'])} ({line['why']})" for line in lines if line["outcome"] == "skipped"]


if __name__ == "__main__":
    for line in {"labs": labs, "skipped": skipped}[sys.argv[1]](read(sys.argv[2])):
        print(line)
