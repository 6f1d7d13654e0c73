from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="PluginLimits")


@_attrs_define
class PluginLimits:
    """
    Attributes:
        max_vcpus (int): Largest number of vCPUs; 0: none of its own.
        max_memory (int): Most bytes of memory; 0: none of its own.
        vmm_overhead (int): Bytes of host memory a VM takes beside its own.
    """

    max_vcpus: int
    max_memory: int
    vmm_overhead: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        max_vcpus = self.max_vcpus

        max_memory = self.max_memory

        vmm_overhead = self.vmm_overhead

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "max_vcpus": max_vcpus,
                "max_memory": max_memory,
                "vmm_overhead": vmm_overhead,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        max_vcpus = d.pop("max_vcpus")

        max_memory = d.pop("max_memory")

        vmm_overhead = d.pop("vmm_overhead")

        plugin_limits = cls(
            max_vcpus=max_vcpus,
            max_memory=max_memory,
            vmm_overhead=vmm_overhead,
        )

        plugin_limits.additional_properties = d
        return plugin_limits

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
