"""framework/ran_on.py: what the reports say of the VMs' hypervisors."""

import pytest

from framework import ran_on

pytestmark = pytest.mark.anywhere


class Started:
    status_code = 200

    def __init__(self, **vm):
        self.vm = vm

    def json(self) -> dict:
        return self.vm


def test_a_stand_in_is_never_reported_as_the_real_one():
    before = ran_on.take()
    try:
        ran_on.see("/vms/1/start", Started(hypervisor="cloud_hv", accelerator="kvm", accelerator_evidence="no guest, fake: /x/fake_vmm stands in"))
        ran_on.see("/vms/2/start", Started(hypervisor="cloud_hv", accelerator="kvm", accelerator_evidence="a trial guest ran under KVM (API 12)"))
        fake, real = ran_on.take()
    finally:
        ran_on.take()
        for line in before:
            ran_on._seen.append(line)
    assert fake.endswith("accelerator=kvm fallback_reason=none (no guest, fake)")
    assert real.endswith("accelerator=kvm fallback_reason=none")
