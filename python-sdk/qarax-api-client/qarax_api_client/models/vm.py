from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.vm_desired_origin import VmDesiredOrigin
from ..models.vm_desired_status import VmDesiredStatus
from ..models.vm_observed_source import VmObservedSource
from ..models.vm_restart_policy import VmRestartPolicy
from ..models.vm_status import VmStatus

if TYPE_CHECKING:
    from ..models.cpu_topology import CpuTopology
    from ..models.exit_info import ExitInfo


T = TypeVar("T", bound="Vm")


@_attrs_define
class Vm:
    """
    Attributes:
        id (UUID): What the VM is known by everywhere.
        name (str): For people; unique among the VMs.
        status (VmStatus): What its node last saw.
        hypervisor (str): Short name of the hypervisor plugin.
        boot_vcpus (int): vCPUs at boot.
        max_vcpus (int): vCPUs that can be plugged, at least boot_vcpus; boot_vcpus when absent.
        cpu_topology (CpuTopology | None): Topology of max_vcpus; the hypervisor's default when null.
        kvm_hyperv (bool): Hyper-V enlightenments.
        memory_size (int): Bytes of memory at boot.
        memory_hotplug_size (int | None): Bytes that can be added while the VM runs.
        memory_mergeable (bool): Offer the memory to KSM.
        memory_shared (bool): Shared mapping, as vhost-user needs it.
        memory_hugepages (bool): Back the memory with huge pages.
        memory_hugepage_size (int | None): Bytes of a huge page; the host's default when null.
        memory_prefault (bool): Touch all memory before the guest starts.
        memory_thp (bool): Ask for transparent huge pages.
        config (Any): Options of the hypervisor plugin, as its options_schema says; null when there are none.
        host_id (None | UUID): Where it runs or ran last; null before.
        boot_source_id (None | UUID): null: the node's default.
        description (None | str): For people.
        tags (list[str]): For finding it, in the order given.
        desired_status (VmDesiredStatus): What was last asked for.
        desired_origin (VmDesiredOrigin): Who asked for it: user, guest (it powered itself off) or policy (a restart).
        drift (None | str): How `status` differs from what was asked for, while no job is about to change that; null: it
            doesn't.
        activity (None | str): What a job is doing with it now: start, stop, …
        status_reason (None | str): Why it is in this state, where that isn't plain.
        exit_ (ExitInfo | None): How the VMM last ended.
        accelerator (None | str): kvm, tcg, simulated, …: what runs its vCPUs.
        accelerator_evidence (None | str): What the choice rests on.
        effective_hypervisor (None | str): The plugin that really runs it, where that isn't `hypervisor`.
        fallback_reason (None | str): Why another hypervisor took its place.
        incarnation (int): How often it was started.
        observed_at (datetime.datetime | None): When its node last said anything.
        observed_source (VmObservedSource): Whose word `status` is: node (it saw it), server (never started, or nothing
            was heard of it).
        unknown_since (datetime.datetime | None): Of a status that is unknown.
        restart_policy (VmRestartPolicy): As in NewVm.
        restart_limit (int): As in NewVm.
        restart_count (int): Restarts in a row so far.
        created_at (datetime.datetime): When it was defined.
        updated_at (datetime.datetime): When something was asked of it last.
    """

    id: UUID
    name: str
    status: VmStatus
    hypervisor: str
    boot_vcpus: int
    max_vcpus: int
    cpu_topology: CpuTopology | None
    kvm_hyperv: bool
    memory_size: int
    memory_hotplug_size: int | None
    memory_mergeable: bool
    memory_shared: bool
    memory_hugepages: bool
    memory_hugepage_size: int | None
    memory_prefault: bool
    memory_thp: bool
    config: Any
    host_id: None | UUID
    boot_source_id: None | UUID
    description: None | str
    tags: list[str]
    desired_status: VmDesiredStatus
    desired_origin: VmDesiredOrigin
    drift: None | str
    activity: None | str
    status_reason: None | str
    exit_: ExitInfo | None
    accelerator: None | str
    accelerator_evidence: None | str
    effective_hypervisor: None | str
    fallback_reason: None | str
    incarnation: int
    observed_at: datetime.datetime | None
    observed_source: VmObservedSource
    unknown_since: datetime.datetime | None
    restart_policy: VmRestartPolicy
    restart_limit: int
    restart_count: int
    created_at: datetime.datetime
    updated_at: datetime.datetime
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415
        from ..models.exit_info import ExitInfo  # noqa: PLC0415

        id = str(self.id)

        name = self.name

        status = self.status.value

        hypervisor = self.hypervisor

        boot_vcpus = self.boot_vcpus

        max_vcpus = self.max_vcpus

        cpu_topology: dict[str, Any] | None
        if isinstance(self.cpu_topology, CpuTopology):
            cpu_topology = self.cpu_topology.to_dict()
        else:
            cpu_topology = self.cpu_topology

        kvm_hyperv = self.kvm_hyperv

        memory_size = self.memory_size

        memory_hotplug_size: int | None
        memory_hotplug_size = self.memory_hotplug_size

        memory_mergeable = self.memory_mergeable

        memory_shared = self.memory_shared

        memory_hugepages = self.memory_hugepages

        memory_hugepage_size: int | None
        memory_hugepage_size = self.memory_hugepage_size

        memory_prefault = self.memory_prefault

        memory_thp = self.memory_thp

        config = self.config

        host_id: None | str
        if isinstance(self.host_id, UUID):
            host_id = str(self.host_id)
        else:
            host_id = self.host_id

        boot_source_id: None | str
        if isinstance(self.boot_source_id, UUID):
            boot_source_id = str(self.boot_source_id)
        else:
            boot_source_id = self.boot_source_id

        description: None | str
        description = self.description

        tags = self.tags

        desired_status = self.desired_status.value

        desired_origin = self.desired_origin.value

        drift: None | str
        drift = self.drift

        activity: None | str
        activity = self.activity

        status_reason: None | str
        status_reason = self.status_reason

        exit_: dict[str, Any] | None
        if isinstance(self.exit_, ExitInfo):
            exit_ = self.exit_.to_dict()
        else:
            exit_ = self.exit_

        accelerator: None | str
        accelerator = self.accelerator

        accelerator_evidence: None | str
        accelerator_evidence = self.accelerator_evidence

        effective_hypervisor: None | str
        effective_hypervisor = self.effective_hypervisor

        fallback_reason: None | str
        fallback_reason = self.fallback_reason

        incarnation = self.incarnation

        observed_at: None | str
        if isinstance(self.observed_at, datetime.datetime):
            observed_at = self.observed_at.isoformat()
        else:
            observed_at = self.observed_at

        observed_source = self.observed_source.value

        unknown_since: None | str
        if isinstance(self.unknown_since, datetime.datetime):
            unknown_since = self.unknown_since.isoformat()
        else:
            unknown_since = self.unknown_since

        restart_policy = self.restart_policy.value

        restart_limit = self.restart_limit

        restart_count = self.restart_count

        created_at = self.created_at.isoformat()

        updated_at = self.updated_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "status": status,
                "hypervisor": hypervisor,
                "boot_vcpus": boot_vcpus,
                "max_vcpus": max_vcpus,
                "cpu_topology": cpu_topology,
                "kvm_hyperv": kvm_hyperv,
                "memory_size": memory_size,
                "memory_hotplug_size": memory_hotplug_size,
                "memory_mergeable": memory_mergeable,
                "memory_shared": memory_shared,
                "memory_hugepages": memory_hugepages,
                "memory_hugepage_size": memory_hugepage_size,
                "memory_prefault": memory_prefault,
                "memory_thp": memory_thp,
                "config": config,
                "host_id": host_id,
                "boot_source_id": boot_source_id,
                "description": description,
                "tags": tags,
                "desired_status": desired_status,
                "desired_origin": desired_origin,
                "drift": drift,
                "activity": activity,
                "status_reason": status_reason,
                "exit": exit_,
                "accelerator": accelerator,
                "accelerator_evidence": accelerator_evidence,
                "effective_hypervisor": effective_hypervisor,
                "fallback_reason": fallback_reason,
                "incarnation": incarnation,
                "observed_at": observed_at,
                "observed_source": observed_source,
                "unknown_since": unknown_since,
                "restart_policy": restart_policy,
                "restart_limit": restart_limit,
                "restart_count": restart_count,
                "created_at": created_at,
                "updated_at": updated_at,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415
        from ..models.exit_info import ExitInfo  # noqa: PLC0415

        d = dict(src_dict)
        id = UUID(d.pop("id"))

        name = d.pop("name")

        status = VmStatus(d.pop("status"))

        hypervisor = d.pop("hypervisor")

        boot_vcpus = d.pop("boot_vcpus")

        max_vcpus = d.pop("max_vcpus")

        def _parse_cpu_topology(data: object) -> CpuTopology | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                cpu_topology_type_0 = CpuTopology.from_dict(data)

                return cpu_topology_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(CpuTopology | None, data)

        cpu_topology = _parse_cpu_topology(d.pop("cpu_topology"))

        kvm_hyperv = d.pop("kvm_hyperv")

        memory_size = d.pop("memory_size")

        def _parse_memory_hotplug_size(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        memory_hotplug_size = _parse_memory_hotplug_size(d.pop("memory_hotplug_size"))

        memory_mergeable = d.pop("memory_mergeable")

        memory_shared = d.pop("memory_shared")

        memory_hugepages = d.pop("memory_hugepages")

        def _parse_memory_hugepage_size(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        memory_hugepage_size = _parse_memory_hugepage_size(d.pop("memory_hugepage_size"))

        memory_prefault = d.pop("memory_prefault")

        memory_thp = d.pop("memory_thp")

        config = d.pop("config")

        def _parse_host_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                host_id_type_0 = UUID(data)

                return host_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        host_id = _parse_host_id(d.pop("host_id"))

        def _parse_boot_source_id(data: object) -> None | UUID:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                boot_source_id_type_0 = UUID(data)

                return boot_source_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | UUID, data)

        boot_source_id = _parse_boot_source_id(d.pop("boot_source_id"))

        def _parse_description(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        description = _parse_description(d.pop("description"))

        tags = cast(list[str], d.pop("tags"))

        desired_status = VmDesiredStatus(d.pop("desired_status"))

        desired_origin = VmDesiredOrigin(d.pop("desired_origin"))

        def _parse_drift(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        drift = _parse_drift(d.pop("drift"))

        def _parse_activity(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        activity = _parse_activity(d.pop("activity"))

        def _parse_status_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        status_reason = _parse_status_reason(d.pop("status_reason"))

        def _parse_exit_(data: object) -> ExitInfo | None:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                exit_type_0 = ExitInfo.from_dict(data)

                return exit_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(ExitInfo | None, data)

        exit_ = _parse_exit_(d.pop("exit"))

        def _parse_accelerator(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        accelerator = _parse_accelerator(d.pop("accelerator"))

        def _parse_accelerator_evidence(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        accelerator_evidence = _parse_accelerator_evidence(d.pop("accelerator_evidence"))

        def _parse_effective_hypervisor(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        effective_hypervisor = _parse_effective_hypervisor(d.pop("effective_hypervisor"))

        def _parse_fallback_reason(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        fallback_reason = _parse_fallback_reason(d.pop("fallback_reason"))

        incarnation = d.pop("incarnation")

        def _parse_observed_at(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                observed_at_type_0 = datetime.datetime.fromisoformat(data)

                return observed_at_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        observed_at = _parse_observed_at(d.pop("observed_at"))

        observed_source = VmObservedSource(d.pop("observed_source"))

        def _parse_unknown_since(data: object) -> datetime.datetime | None:
            if data is None:
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                unknown_since_type_0 = datetime.datetime.fromisoformat(data)

                return unknown_since_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(datetime.datetime | None, data)

        unknown_since = _parse_unknown_since(d.pop("unknown_since"))

        restart_policy = VmRestartPolicy(d.pop("restart_policy"))

        restart_limit = d.pop("restart_limit")

        restart_count = d.pop("restart_count")

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        vm = cls(
            id=id,
            name=name,
            status=status,
            hypervisor=hypervisor,
            boot_vcpus=boot_vcpus,
            max_vcpus=max_vcpus,
            cpu_topology=cpu_topology,
            kvm_hyperv=kvm_hyperv,
            memory_size=memory_size,
            memory_hotplug_size=memory_hotplug_size,
            memory_mergeable=memory_mergeable,
            memory_shared=memory_shared,
            memory_hugepages=memory_hugepages,
            memory_hugepage_size=memory_hugepage_size,
            memory_prefault=memory_prefault,
            memory_thp=memory_thp,
            config=config,
            host_id=host_id,
            boot_source_id=boot_source_id,
            description=description,
            tags=tags,
            desired_status=desired_status,
            desired_origin=desired_origin,
            drift=drift,
            activity=activity,
            status_reason=status_reason,
            exit_=exit_,
            accelerator=accelerator,
            accelerator_evidence=accelerator_evidence,
            effective_hypervisor=effective_hypervisor,
            fallback_reason=fallback_reason,
            incarnation=incarnation,
            observed_at=observed_at,
            observed_source=observed_source,
            unknown_since=unknown_since,
            restart_policy=restart_policy,
            restart_limit=restart_limit,
            restart_count=restart_count,
            created_at=created_at,
            updated_at=updated_at,
        )

        vm.additional_properties = d
        return vm

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
