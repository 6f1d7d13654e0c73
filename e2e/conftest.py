"""Fixtures: a stack of its own per test, or one shared by the tests of a module that leave it as it was."""

import pytest

from framework.stack import Stack


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    setattr(item, "report_" + report.when, report)
    if report.when == "call" and report.failed:
        stack = item.funcargs.get("stack")
        if stack is not None:
            for program in [stack.server, *stack.nodes]:
                report.sections.append((f"log of {program.folder.name}", program.log()[-8000:]))


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
def bare_stack(request):
    """A server without nodes."""
    made = Stack()
    try:
        yield made
    finally:
        _ended(made, request)


@pytest.fixture(scope="module")
def simulated(request):
    """Server and one node with only the simulator: for what needs no guest."""
    made = Stack()
    try:
        made.add_node(plugins=[made.simulator_plugin()], boot={})
        yield made
    finally:
        _ended(made, request)
