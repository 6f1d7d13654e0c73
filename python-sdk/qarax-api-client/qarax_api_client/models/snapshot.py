from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, TypeVar
from uuid import UUID

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.snapshot_status import SnapshotStatus

T = TypeVar("T", bound="Snapshot")


@_attrs_define
class Snapshot:
    """
    Attributes:
        id (UUID): What the snapshot is known by.
        vm_id (UUID): The VM that it was taken of.
        name (str): For people; unique among the VM's.
        status (SnapshotStatus): creating, ready, or failed: another action took its place, and what its host may hold
            of it goes with a DELETE.
        created_at (datetime.datetime): When it was asked for.
        hypervisor (str): The plugin that took it, and alone can restore it.
        vcpus (int): vCPUs that a restore brings back.
        memory_size (int): Bytes of memory that a restore brings back.
        size (int): Bytes that it takes on the VM's host.
    """

    id: UUID
    vm_id: UUID
    name: str
    status: SnapshotStatus
    created_at: datetime.datetime
    hypervisor: str
    vcpus: int
    memory_size: int
    size: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        id = str(self.id)

        vm_id = str(self.vm_id)

        name = self.name

        status = self.status.value

        created_at = self.created_at.isoformat()

        hypervisor = self.hypervisor

        vcpus = self.vcpus

        memory_size = self.memory_size

        size = self.size

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "id": id,
                "vm_id": vm_id,
                "name": name,
                "status": status,
                "created_at": created_at,
                "hypervisor": hypervisor,
                "vcpus": vcpus,
                "memory_size": memory_size,
                "size": size,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        id = UUID(d.pop("id"))

        vm_id = UUID(d.pop("vm_id"))

        name = d.pop("name")

        status = SnapshotStatus(d.pop("status"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        hypervisor = d.pop("hypervisor")

        vcpus = d.pop("vcpus")

        memory_size = d.pop("memory_size")

        size = d.pop("size")

        snapshot = cls(
            id=id,
            vm_id=vm_id,
            name=name,
            status=status,
            created_at=created_at,
            hypervisor=hypervisor,
            vcpus=vcpus,
            memory_size=memory_size,
            size=size,
        )

        snapshot.additional_properties = d
        return snapshot

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
