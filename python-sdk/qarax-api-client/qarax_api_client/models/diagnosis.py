from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.desired_state import DesiredState
    from ..models.host import Host
    from ..models.job import Job
    from ..models.observed_state import ObservedState
    from ..models.vm import Vm


T = TypeVar("T", bound="Diagnosis")


@_attrs_define
class Diagnosis:
    """
    Attributes:
        vm (Vm):
        desired (DesiredState):
        observed (ObservedState):
        drift (bool): It isn't what it shall be, and no job is at work on that.
        jobs (list[Job]): Its last jobs, the latest first.
        vmm_log (str): Last lines of the VMM's own log.
        console (str): Last lines of the guest's console; what isn't UTF-8 is replaced.
        notes (list[str]): What couldn't be had, and why.
        host (Host | Unset):
    """

    vm: Vm
    desired: DesiredState
    observed: ObservedState
    drift: bool
    jobs: list[Job]
    vmm_log: str
    console: str
    notes: list[str]
    host: Host | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        vm = self.vm.to_dict()

        desired = self.desired.to_dict()

        observed = self.observed.to_dict()

        drift = self.drift

        jobs = []
        for jobs_item_data in self.jobs:
            jobs_item = jobs_item_data.to_dict()
            jobs.append(jobs_item)

        vmm_log = self.vmm_log

        console = self.console

        notes = self.notes

        host: dict[str, Any] | Unset = UNSET
        if not isinstance(self.host, Unset):
            host = self.host.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "vm": vm,
                "desired": desired,
                "observed": observed,
                "drift": drift,
                "jobs": jobs,
                "vmm_log": vmm_log,
                "console": console,
                "notes": notes,
            }
        )
        if host is not UNSET:
            field_dict["host"] = host

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.desired_state import DesiredState  # noqa: PLC0415
        from ..models.host import Host  # noqa: PLC0415
        from ..models.job import Job  # noqa: PLC0415
        from ..models.observed_state import ObservedState  # noqa: PLC0415
        from ..models.vm import Vm  # noqa: PLC0415

        d = dict(src_dict)
        vm = Vm.from_dict(d.pop("vm"))

        desired = DesiredState.from_dict(d.pop("desired"))

        observed = ObservedState.from_dict(d.pop("observed"))

        drift = d.pop("drift")

        jobs = []
        _jobs = d.pop("jobs")
        for jobs_item_data in _jobs:
            jobs_item = Job.from_dict(jobs_item_data)

            jobs.append(jobs_item)

        vmm_log = d.pop("vmm_log")

        console = d.pop("console")

        notes = cast(list[str], d.pop("notes"))

        _host = d.pop("host", UNSET)
        host: Host | Unset
        if isinstance(_host, Unset):
            host = UNSET
        else:
            host = Host.from_dict(_host)

        diagnosis = cls(
            vm=vm,
            desired=desired,
            observed=observed,
            drift=drift,
            jobs=jobs,
            vmm_log=vmm_log,
            console=console,
            notes=notes,
            host=host,
        )

        diagnosis.additional_properties = d
        return diagnosis

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
