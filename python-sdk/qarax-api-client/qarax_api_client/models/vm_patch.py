from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.vm_patch_restart_policy_type_0 import VmPatchRestartPolicyType0
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.cpu_topology import CpuTopology


T = TypeVar("T", bound="VmPatch")


@_attrs_define
class VmPatch:
    """
    Attributes:
        name (None | str | Unset): Unique among the VMs. Letters, digits, '.', '_' and '-', beginning with a letter or
            digit.
        hypervisor (None | str | Unset): Short name of the hypervisor plugin (cloud_hv, qemu, …); the node's default
            when absent.
        boot_vcpus (int | None | Unset): vCPUs at boot.
        max_vcpus (int | None | Unset): vCPUs that can be plugged, at least boot_vcpus; boot_vcpus when absent.
        cpu_topology (CpuTopology | None | Unset): Topology of max_vcpus; the hypervisor's default when null.
        kvm_hyperv (bool | None | Unset): Hyper-V enlightenments.
        memory_size (int | None | Unset): Bytes of memory at boot.
        memory_hotplug_size (int | None | Unset): Bytes that can be added while the VM runs.
        memory_mergeable (bool | None | Unset): Offer the memory to KSM.
        memory_shared (bool | None | Unset): Shared mapping, as vhost-user needs it.
        memory_hugepages (bool | None | Unset): Back the memory with huge pages.
        memory_hugepage_size (int | None | Unset): Bytes of a huge page; the host's default when null.
        memory_prefault (bool | None | Unset): Touch all memory before the guest starts.
        memory_thp (bool | None | Unset): Ask for transparent huge pages.
        config (Any | Unset): Options of the hypervisor plugin, as its options_schema says; null when there are none.
        boot_source_id (None | Unset | UUID): What the VM boots; the node's default kernel, initramfs and command line
            when absent.
        description (None | str | Unset): For people.
        restart_policy (None | Unset | VmPatchRestartPolicyType0): Whether the server starts it again when it ends by
            itself. on-failure: unless the guest powered itself off; always: then too. Never after somebody's stop. Each
            restart in a row waits longer.
        restart_limit (int | None | Unset): Most restarts in a row; 0: no limit. A start by hand, or a long run, counts
            anew.
        tags (list[str] | None | Unset): For finding it: each once, of 1 to 63 of the characters A-Z a-z 0-9 . _ - : =
            /, beginning with a letter or digit.
    """

    name: None | str | Unset = UNSET
    hypervisor: None | str | Unset = UNSET
    boot_vcpus: int | None | Unset = UNSET
    max_vcpus: int | None | Unset = UNSET
    cpu_topology: CpuTopology | None | Unset = UNSET
    kvm_hyperv: bool | None | Unset = UNSET
    memory_size: int | None | Unset = UNSET
    memory_hotplug_size: int | None | Unset = UNSET
    memory_mergeable: bool | None | Unset = UNSET
    memory_shared: bool | None | Unset = UNSET
    memory_hugepages: bool | None | Unset = UNSET
    memory_hugepage_size: int | None | Unset = UNSET
    memory_prefault: bool | None | Unset = UNSET
    memory_thp: bool | None | Unset = UNSET
    config: Any | Unset = UNSET
    boot_source_id: None | Unset | UUID = UNSET
    description: None | str | Unset = UNSET
    restart_policy: None | Unset | VmPatchRestartPolicyType0 = UNSET
    restart_limit: int | None | Unset = UNSET
    tags: list[str] | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415

        name: None | str | Unset
        if isinstance(self.name, Unset):
            name = UNSET
        else:
            name = self.name

        hypervisor: None | str | Unset
        if isinstance(self.hypervisor, Unset):
            hypervisor = UNSET
        else:
            hypervisor = self.hypervisor

        boot_vcpus: int | None | Unset
        if isinstance(self.boot_vcpus, Unset):
            boot_vcpus = UNSET
        else:
            boot_vcpus = self.boot_vcpus

        max_vcpus: int | None | Unset
        if isinstance(self.max_vcpus, Unset):
            max_vcpus = UNSET
        else:
            max_vcpus = self.max_vcpus

        cpu_topology: dict[str, Any] | None | Unset
        if isinstance(self.cpu_topology, Unset):
            cpu_topology = UNSET
        elif isinstance(self.cpu_topology, CpuTopology):
            cpu_topology = self.cpu_topology.to_dict()
        else:
            cpu_topology = self.cpu_topology

        kvm_hyperv: bool | None | Unset
        if isinstance(self.kvm_hyperv, Unset):
            kvm_hyperv = UNSET
        else:
            kvm_hyperv = self.kvm_hyperv

        memory_size: int | None | Unset
        if isinstance(self.memory_size, Unset):
            memory_size = UNSET
        else:
            memory_size = self.memory_size

        memory_hotplug_size: int | None | Unset
        if isinstance(self.memory_hotplug_size, Unset):
            memory_hotplug_size = UNSET
        else:
            memory_hotplug_size = self.memory_hotplug_size

        memory_mergeable: bool | None | Unset
        if isinstance(self.memory_mergeable, Unset):
            memory_mergeable = UNSET
        else:
            memory_mergeable = self.memory_mergeable

        memory_shared: bool | None | Unset
        if isinstance(self.memory_shared, Unset):
            memory_shared = UNSET
        else:
            memory_shared = self.memory_shared

        memory_hugepages: bool | None | Unset
        if isinstance(self.memory_hugepages, Unset):
            memory_hugepages = UNSET
        else:
            memory_hugepages = self.memory_hugepages

        memory_hugepage_size: int | None | Unset
        if isinstance(self.memory_hugepage_size, Unset):
            memory_hugepage_size = UNSET
        else:
            memory_hugepage_size = self.memory_hugepage_size

        memory_prefault: bool | None | Unset
        if isinstance(self.memory_prefault, Unset):
            memory_prefault = UNSET
        else:
            memory_prefault = self.memory_prefault

        memory_thp: bool | None | Unset
        if isinstance(self.memory_thp, Unset):
            memory_thp = UNSET
        else:
            memory_thp = self.memory_thp

        config = self.config

        boot_source_id: None | str | Unset
        if isinstance(self.boot_source_id, Unset):
            boot_source_id = UNSET
        elif isinstance(self.boot_source_id, UUID):
            boot_source_id = str(self.boot_source_id)
        else:
            boot_source_id = self.boot_source_id

        description: None | str | Unset
        if isinstance(self.description, Unset):
            description = UNSET
        else:
            description = self.description

        restart_policy: None | str | Unset
        if isinstance(self.restart_policy, Unset):
            restart_policy = UNSET
        elif isinstance(self.restart_policy, VmPatchRestartPolicyType0):
            restart_policy = self.restart_policy.value
        else:
            restart_policy = self.restart_policy

        restart_limit: int | None | Unset
        if isinstance(self.restart_limit, Unset):
            restart_limit = UNSET
        else:
            restart_limit = self.restart_limit

        tags: list[str] | None | Unset
        if isinstance(self.tags, Unset):
            tags = UNSET
        elif isinstance(self.tags, list):
            tags = self.tags

        else:
            tags = self.tags

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if name is not UNSET:
            field_dict["name"] = name
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
        if tags is not UNSET:
            field_dict["tags"] = tags

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_name(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        name = _parse_name(d.pop("name", UNSET))

        def _parse_hypervisor(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        hypervisor = _parse_hypervisor(d.pop("hypervisor", UNSET))

        def _parse_boot_vcpus(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        boot_vcpus = _parse_boot_vcpus(d.pop("boot_vcpus", UNSET))

        def _parse_max_vcpus(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        max_vcpus = _parse_max_vcpus(d.pop("max_vcpus", UNSET))

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

        def _parse_kvm_hyperv(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        kvm_hyperv = _parse_kvm_hyperv(d.pop("kvm_hyperv", UNSET))

        def _parse_memory_size(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_size = _parse_memory_size(d.pop("memory_size", UNSET))

        def _parse_memory_hotplug_size(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_hotplug_size = _parse_memory_hotplug_size(d.pop("memory_hotplug_size", UNSET))

        def _parse_memory_mergeable(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        memory_mergeable = _parse_memory_mergeable(d.pop("memory_mergeable", UNSET))

        def _parse_memory_shared(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        memory_shared = _parse_memory_shared(d.pop("memory_shared", UNSET))

        def _parse_memory_hugepages(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        memory_hugepages = _parse_memory_hugepages(d.pop("memory_hugepages", UNSET))

        def _parse_memory_hugepage_size(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        memory_hugepage_size = _parse_memory_hugepage_size(d.pop("memory_hugepage_size", UNSET))

        def _parse_memory_prefault(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        memory_prefault = _parse_memory_prefault(d.pop("memory_prefault", UNSET))

        def _parse_memory_thp(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        memory_thp = _parse_memory_thp(d.pop("memory_thp", UNSET))

        config = d.pop("config", UNSET)

        def _parse_boot_source_id(data: object) -> None | Unset | UUID:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                boot_source_id_type_0 = UUID(data)

                return boot_source_id_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | UUID, data)

        boot_source_id = _parse_boot_source_id(d.pop("boot_source_id", UNSET))

        def _parse_description(data: object) -> None | str | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(None | str | Unset, data)

        description = _parse_description(d.pop("description", UNSET))

        def _parse_restart_policy(data: object) -> None | Unset | VmPatchRestartPolicyType0:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, str):
                    raise TypeError()
                restart_policy_type_0 = VmPatchRestartPolicyType0(data)

                return restart_policy_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Unset | VmPatchRestartPolicyType0, data)

        restart_policy = _parse_restart_policy(d.pop("restart_policy", UNSET))

        def _parse_restart_limit(data: object) -> int | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(int | None | Unset, data)

        restart_limit = _parse_restart_limit(d.pop("restart_limit", UNSET))

        def _parse_tags(data: object) -> list[str] | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                tags_type_0 = cast(list[str], data)

                return tags_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[str] | None | Unset, data)

        tags = _parse_tags(d.pop("tags", UNSET))

        vm_patch = cls(
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
            tags=tags,
        )

        vm_patch.additional_properties = d
        return vm_patch

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
