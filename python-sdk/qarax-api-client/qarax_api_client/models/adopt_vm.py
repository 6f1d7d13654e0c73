from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.adopt_vm_action import AdoptVmAction
from ..models.adopt_vm_status import AdoptVmStatus

T = TypeVar("T", bound="AdoptVm")


@_attrs_define
class AdoptVm:
    """
    Attributes:
        id (UUID): The VM's id, on its node and after the adopt.
        name (str): As it will be called here.
        action (AdoptVmAction): create: defined here as the node has it. raise: defined here already, and raised to what
            the node has done and was told since; note says what changes by it. forget: the node deleted it by command, so
            the record goes. leave: nothing is done about it, see note. none: it is the same on both sides.
        status (AdoptVmStatus): What its node last saw.
        hypervisor (str): The plugin that runs it there.
        incarnation (int): Its latest start on the node.
        revision (int): The latest job that the node has carried out for it.
        note (str): What there is to say about it; empty: nothing.
    """

    id: UUID
    name: str
    action: AdoptVmAction
    status: AdoptVmStatus
    hypervisor: str
    incarnation: int
    revision: int
    note: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        name = self.name

        action = self.action.value

        status = self.status.value

        hypervisor = self.hypervisor

        incarnation = self.incarnation

        revision = self.revision

        note = self.note

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "name": name,
                "action": action,
                "status": status,
                "hypervisor": hypervisor,
                "incarnation": incarnation,
                "revision": revision,
                "note": note,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        name = d.pop("name")

        action = AdoptVmAction(d.pop("action"))

        status = AdoptVmStatus(d.pop("status"))

        hypervisor = d.pop("hypervisor")

        incarnation = d.pop("incarnation")

        revision = d.pop("revision")

        note = d.pop("note")

        adopt_vm = cls(
            id=id,
            name=name,
            action=action,
            status=status,
            hypervisor=hypervisor,
            incarnation=incarnation,
            revision=revision,
            note=note,
        )

        adopt_vm.additional_properties = d
        return adopt_vm

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
