from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.cpu_topology import CpuTopology


T = TypeVar("T", bound="VmSpec")


@_attrs_define
class VmSpec:
    """
    Attributes:
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
    """

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
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415

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

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
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
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.cpu_topology import CpuTopology  # noqa: PLC0415

        d = dict(src_dict)
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

        vm_spec = cls(
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
        )

        vm_spec.additional_properties = d
        return vm_spec

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
