"""Tests of the framework itself: what every other test relies on."""

import types

import pytest

from framework.api import Contract, ContractViolation
from framework.stack import wait_for


@pytest.mark.parametrize("method, path, status, kind", [
    ("GET", "/vms", 418, ""),
    ("GET", "/vms", 200, "text/html"),
    ("GET", "/elsewhere", 200, ""),
])
def test_a_violation_of_the_contract_is_not_waited_away(method, path, status, kind):
    contract = Contract({"paths": {"/vms": {"get": {"responses": {"200": {"content": {"application/json": {}}}}}}}})
    answers = []

    def probe():
        answers.append(types.SimpleNamespace(status_code=status, headers={"Content-Type": kind}))
        contract.check(method, path, answers[-1])
        return True

    with pytest.raises(ContractViolation):
        wait_for("an answer", probe, 5)
    assert len(answers) == 1
