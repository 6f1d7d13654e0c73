from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.new_vm_restart_policy import NewVmRestartPolicy
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.cpu_topology import CpuTopology


T = TypeVar("T", bound="NewVm")


@_attrs_define
class NewVm:
    """
    Attributes:
        name (str): Unique among the VMs. Letters, digits, '.', '_' and '-', beginning with a letter or digit.
        hypervisor (str | Unset): Short name of the hypervisor plugin (cloud_hv, qemu, …); the node's default when
            absent.
        boot_vcpus (int | Unset): vCPUs at boot.
        max_vcpus (int | Unset): vCPUs that can be plugged, at least boot_vcpus; boot_vcpus when absent.
        cpu_topology (CpuTopology | None | Unset): Topology of max_vcpus; the hypervisor's default when null.
        kvm_hyperv (bool | Unset): Hyper-V enlightenments.
        memory_size (int | Unset): Bytes of memory at boot.
        memory_hotplug_size (int | None | Unset): Bytes that can be added while the VM runs.
        memory_mergeable (bool | Unset): Offer the memory to KSM.
        memory_shared (bool | Unset): Shared mapping, as vhost-user needs it.
        memory_hugepages (bool | Unset): Back the memory with huge pages.
        memory_hugepage_size (int | None | Unset): Bytes of a huge page; the host's default when null.
        memory_prefault (bool | Unset): Touch all memory before the guest starts.
        memory_thp (bool | Unset): Ask for transparent huge pages.
        config (Any | Unset): Options of the hypervisor plugin, as its options_schema says; null when there are none.
        boot_source_id (UUID | Unset): What the VM boots; the node's default kernel, initramfs and command line when
            absent.
        description (str | Unset): For people.
        restart_policy (NewVmRestartPolicy | Unset): Whether the server starts it again when it ends by itself. on-
            failure: unless the guest powered itself off; always: then too. Never after somebody's stop. Each restart in a
            row waits longer.
        restart_limit (int | Unset): Most restarts in a row; 0: no limit. A start by hand, or a long run, counts anew.
    """

    name: str
    hypervisor: str | Unset = UNSET
    boot_vcpus: int | Unset = UNSET
    max_vcpus: int | Unset = UNSET
    cpu_topology: CpuTopology | None | Unset = UNSET
    kvm_hyperv: bool | Unset = UNSET
    memory_size: int | Unset = UNSET
    memory_hotplug_size: int | None | Unset = UNSET
    memory_mergeable: bool | Unset = UNSET
    memory_shared: bool | Unset = UNSET
    memory_hugepages: bool | Unset = UNSET
    memory_hugepage_size: int | None | Unset = UNSET
    memory_prefault: bool | Unset = UNSET
    memory_thp: bool | Unset = UNSET
    config: Any | Unset = UNSET
    boot_source_id: UUID | Unset = UNSET
    description: str | Unset = UNSET
    restart_policy: NewVmRestartPolicy | Unset = UNSET
    restart_limit: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415

        name = self.name

        hypervisor = self.hypervisor

        boot_vcpus = self.boot_vcpus

        max_vcpus = self.max_vcpus

        cpu_topology: dict[str, Any] | None | Unset
        if isinstance(self.cpu_topology, Unset):
            cpu_topology = UNSET
        elif isinstance(self.cpu_topology, CpuTopology):
            cpu_topology = self.cpu_topology.to_dict()
        else:
            cpu_topology = self.cpu_topology

        kvm_hyperv = self.kvm_hyperv

        memory_size = self.memory_size

        memory_hotplug_size: int | None | Unset
        if isinstance(self.memory_hotplug_size, Unset):
            memory_hotplug_size = UNSET
        else:
            memory_hotplug_size = self.memory_hotplug_size

        memory_mergeable = self.memory_mergeable

        memory_shared = self.memory_shared

        memory_hugepages = self.memory_hugepages

        memory_hugepage_size: int | None | Unset
        if isinstance(self.memory_hugepage_size, Unset):
            memory_hugepage_size = UNSET
        else:
            memory_hugepage_size = self.memory_hugepage_size

        memory_prefault = self.memory_prefault

        memory_thp = self.memory_thp

        config = self.config

        boot_source_id: str | Unset = UNSET
        if not isinstance(self.boot_source_id, Unset):
            boot_source_id = str(self.boot_source_id)

        description = self.description

        restart_policy: str | Unset = UNSET
        if not isinstance(self.restart_policy, Unset):
            restart_policy = self.restart_policy.value

        restart_limit = self.restart_limit

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
            }
        )
        if hypervisor is not UNSET:
            field_dict["hypervisor"] = hypervisor
        if boot_vcpus is not UNSET:
            field_dict["boot_vcpus"] = boot_vcpus
        if max_vcpus is not UNSET:
            field_dict["max_vcpus"] = max_vcpus
        if cpu_topology is not UNSET:
            field_dict["cpu_topology"] = cpu_topology
        if kvm_hyperv is not UNSET:
            field_dict["kvm_hyperv"] = kvm_hyperv
        if memory_size is not UNSET:
            field_dict["memory_size"] = memory_size
        if memory_hotplug_size is not UNSET:
            field_dict["memory_hotplug_size"] = memory_hotplug_size
        if memory_mergeable is not UNSET:
            field_dict["memory_mergeable"] = memory_mergeable
        if memory_shared is not UNSET:
            field_dict["memory_shared"] = memory_shared
        if memory_hugepages is not UNSET:
            field_dict["memory_hugepages"] = memory_hugepages
        if memory_hugepage_size is not UNSET:
            field_dict["memory_hugepage_size"] = memory_hugepage_size
        if memory_prefault is not UNSET:
            field_dict["memory_prefault"] = memory_prefault
        if memory_thp is not UNSET:
            field_dict["memory_thp"] = memory_thp
        if config is not UNSET:
            field_dict["config"] = config
        if boot_source_id is not UNSET:
            field_dict["boot_source_id"] = boot_source_id
        if description is not UNSET:
            field_dict["description"] = description
        if restart_policy is not UNSET:
            field_dict["restart_policy"] = restart_policy
        if restart_limit is not UNSET:
            field_dict["restart_limit"] = restart_limit

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        hypervisor = d.pop("hypervisor", UNSET)

        boot_vcpus = d.pop("boot_vcpus", UNSET)

        max_vcpus = d.pop("max_vcpus", UNSET)

        def _parse_cpu_topology(data: object) -> CpuTopology | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                cpu_topology_type_0 = CpuTopology.from_dict(data)

                return cpu_topology_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(CpuTopology | None | Unset, data)

        cpu_topology = _parse_cpu_topology(d.pop("cpu_topology", UNSET))

        kvm_hyperv = d.pop("kvm_hyperv", UNSET)

        memory_size = d.pop("memory_size", UNSET)

        def _parse_memory_hotplug_size(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_hotplug_size = _parse_memory_hotplug_size(d.pop("memory_hotplug_size", UNSET))

        memory_mergeable = d.pop("memory_mergeable", UNSET)

        memory_shared = d.pop("memory_shared", UNSET)

        memory_hugepages = d.pop("memory_hugepages", UNSET)

        def _parse_memory_hugepage_size(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_hugepage_size = _parse_memory_hugepage_size(d.pop("memory_hugepage_size", UNSET))

        memory_prefault = d.pop("memory_prefault", UNSET)

        memory_thp = d.pop("memory_thp", UNSET)

        config = d.pop("config", UNSET)

        _boot_source_id = d.pop("boot_source_id", UNSET)
        boot_source_id: UUID | Unset
        if isinstance(_boot_source_id, Unset):
            boot_source_id = UNSET
        else:
            boot_source_id = UUID(_boot_source_id)

        description = d.pop("description", UNSET)

        _restart_policy = d.pop("restart_policy", UNSET)
        restart_policy: NewVmRestartPolicy | Unset
        if isinstance(_restart_policy, Unset):
            restart_policy = UNSET
        else:
            restart_policy = NewVmRestartPolicy(_restart_policy)

        restart_limit = d.pop("restart_limit", UNSET)

        new_vm = cls(
            name=name,
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
            boot_source_id=boot_source_id,
            description=description,
            restart_policy=restart_policy,
            restart_limit=restart_limit,
        )

        new_vm.additional_properties = d
        return new_vm

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
