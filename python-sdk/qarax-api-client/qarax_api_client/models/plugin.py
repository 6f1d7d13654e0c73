from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.description import Description


T = TypeVar("T", bound="Plugin")


@_attrs_define
class Plugin:
    """
    Attributes:
        name (str): Short name, as `hypervisor` of a VM; the file's name where it was refused unread.
        id (str): Reverse-DNS id.
        version (str): The plugin's own version.
        path (str): The file on the host.
        kind (str): hypervisor, storage or network.
        state (str): loaded, loading or refused.
        reason (str): Why it was refused, or what its loading waits for.
        step (str): The step of the handshake that refused it, or that it is at.
        interfaces (list[str]): Interface ids that it offers.
        description (Description | Unset):
    """

    name: str
    id: str
    version: str
    path: str
    kind: str
    state: str
    reason: str
    step: str
    interfaces: list[str]
    description: Description | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        id = self.id

        version = self.version

        path = self.path

        kind = self.kind

        state = self.state

        reason = self.reason

        step = self.step

        interfaces = self.interfaces

        description: dict[str, Any] | Unset = UNSET
        if not isinstance(self.description, Unset):
            description = self.description.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "id": id,
                "version": version,
                "path": path,
                "kind": kind,
                "state": state,
                "reason": reason,
                "step": step,
                "interfaces": interfaces,
            }
        )
        if description is not UNSET:
            field_dict["description"] = description

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.description import Description  # noqa: PLC0415

        d = dict(src_dict)
        name = d.pop("name")

        id = d.pop("id")

        version = d.pop("version")

        path = d.pop("path")

        kind = d.pop("kind")

        state = d.pop("state")

        reason = d.pop("reason")

        step = d.pop("step")

        interfaces = cast(list[str], d.pop("interfaces"))

        _description = d.pop("description", UNSET)
        description: Description | Unset
        if isinstance(_description, Unset):
            description = UNSET
        else:
            description = Description.from_dict(_description)

        plugin = cls(
            name=name,
            id=id,
            version=version,
            path=path,
            kind=kind,
            state=state,
            reason=reason,
            step=step,
            interfaces=interfaces,
            description=description,
        )

        plugin.additional_properties = d
        return plugin

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
