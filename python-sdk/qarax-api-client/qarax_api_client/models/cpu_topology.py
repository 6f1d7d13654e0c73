from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="CpuTopology")


@_attrs_define
class CpuTopology:
    """
    Attributes:
        threads_per_core (int | Unset): Threads of one core.
        cores_per_die (int | Unset): Cores of one die.
        dies_per_package (int | Unset): Dies of one package.
        packages (int | Unset): Packages (sockets).
    """

    threads_per_core: int | Unset = UNSET
    cores_per_die: int | Unset = UNSET
    dies_per_package: int | Unset = UNSET
    packages: int | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        threads_per_core = self.threads_per_core

        cores_per_die = self.cores_per_die

        dies_per_package = self.dies_per_package

        packages = self.packages

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update({})
        if threads_per_core is not UNSET:
            field_dict["threads_per_core"] = threads_per_core
        if cores_per_die is not UNSET:
            field_dict["cores_per_die"] = cores_per_die
        if dies_per_package is not UNSET:
            field_dict["dies_per_package"] = dies_per_package
        if packages is not UNSET:
            field_dict["packages"] = packages

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        threads_per_core = d.pop("threads_per_core", UNSET)

        cores_per_die = d.pop("cores_per_die", UNSET)

        dies_per_package = d.pop("dies_per_package", UNSET)

        packages = d.pop("packages", UNSET)

        cpu_topology = cls(
            threads_per_core=threads_per_core,
            cores_per_die=cores_per_die,
            dies_per_package=dies_per_package,
            packages=packages,
        )

        cpu_topology.additional_properties = d
        return cpu_topology

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
