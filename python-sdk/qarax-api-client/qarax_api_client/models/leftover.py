from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Leftover")


@_attrs_define
class Leftover:
    """
    Attributes:
        kind (str): process, cgroup, folder, file, socket, tap, mount, …
        name (str): Which one: a path, a pid, a device.
        vm (str): The VM that it was made for; empty: for none.
        why (str): Why nobody owns it.
        removed (bool): Whether it was removed just now.
        problem (str): Why it could not be removed; empty: it could, or wasn't to be.
    """

    kind: str
    name: str
    vm: str
    why: str
    removed: bool
    problem: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kind = self.kind

        name = self.name

        vm = self.vm

        why = self.why

        removed = self.removed

        problem = self.problem

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kind": kind,
                "name": name,
                "vm": vm,
                "why": why,
                "removed": removed,
                "problem": problem,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kind = d.pop("kind")

        name = d.pop("name")

        vm = d.pop("vm")

        why = d.pop("why")

        removed = d.pop("removed")

        problem = d.pop("problem")

        leftover = cls(
            kind=kind,
            name=name,
            vm=vm,
            why=why,
            removed=removed,
            problem=problem,
        )

        leftover.additional_properties = d
        return leftover

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
