"""Fixtures: a separate stack for each test, one shared by a module's tests that leave it unchanged, or one that is up already."""

import collections
import os

import pytest

from framework import lab, paths, ran_on
from framework.service import Qarax, running_url
from framework.stack import Stack


def pytest_report_header(config):
    return f"qarax: {running_url() or f'started by each test, of {paths.BUILD}'}"


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("lab") is not None:
            if lab.address() is None:
                item.add_marker(pytest.mark.skip(reason="needs the KVM lab: kvm-lab/run.sh"))
            continue
        if item.get_closest_marker("compose") is not None:
            if "QARAX_COMPOSE" not in os.environ:
                item.add_marker(pytest.mark.skip(reason="needs the stack in containers: run_e2e_tests.sh"))
            continue
        if running_url() is not None and item.get_closest_marker("anywhere") is None:
            item.add_marker(pytest.mark.skip(reason=f"starts programs of its own, and {running_url()} is to be used; QARAX_URL= says otherwise"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)
    # As a property of the report it also gets through xdist and into JUnit's XML.
    report.user_properties += [("ran on", line) for line in ran_on.take()]
    if report.when == "call" and report.failed:
        stack = item.funcargs.get("stack") or getattr(item.funcargs.get("qarax"), "stack", None)
        if stack is not None:
            for program in [stack.server, *stack.nodes]:
                report.sections.append((f"log of {program.folder.name}", program.log()[-8000:]))
        if lab.address() is not None:
            try:
                report.sections.append(("guests in the lab", lab.Lab(lab.address()).vcpus()))
            except (OSError, AssertionError) as e:
                report.sections.append(("guests in the lab", f"the lab doesn't answer: {e}"))


def pytest_terminal_summary(terminalreporter):
    tests = collections.defaultdict(list)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, line in getattr(report, "user_properties", []):
                if name == "ran on" and report.nodeid not in tests[line]:
                    tests[line].append(report.nodeid)
    if tests:
        terminalreporter.section("what the guests ran on")
    for line, names in sorted(tests.items()):
        terminalreporter.write_line(f"{len(names)} test{'s' if len(names) > 1 else ''}: {line}")
        if terminalreporter.verbosity > 0:
            for name in names:
                terminalreporter.write_line(f"    {name}")


def _ended(stack, request):
    failed = getattr(getattr(request.node, "report_call", None), "failed", False)
    left = stack.close(keep=failed)
    assert not left, "left behind: " + "; ".join(left)


@pytest.fixture
def stack(request):
    """Server and one node with qemu (TCG) and simulator."""
    made = Stack()
    try:
        made.add_node()
        yield made
    finally:
        _ended(made, request)


@pytest.fixture
def qarax(request):
    """The same stack through the Python client, or the server that is up already; the test's VMs are deleted there."""
    made = Qarax(running_url()) if running_url() else Qarax((stack := request.getfixturevalue("stack")).server.base, stack)
    try:
        made.wait_ready()
        yield made
    finally:
        made.close()


@pytest.fixture
def bare_stack(request):
    """A server without nodes."""
    made = Stack()
    try:
        yield made
    finally:
        _ended(made, request)


@pytest.fixture(scope="module")
def simulated(request):
    """Server and one node with only the simulator, for tests that need no guest."""
    made = Stack()
    try:
        made.add_node(plugins=[made.simulator_plugin()], boot={})
        yield made
    finally:
        _ended(made, request)
