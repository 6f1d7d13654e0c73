from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="Version")


@_attrs_define
class Version:
    """
    Attributes:
        name (str): qarax-server.
        version (str): Of the program.
        api_version (str): Of this document, as info.version.
        node_protocol (int): Protocol spoken with the nodes.
        revision (str | Unset): The commit that the program was built from; absent where it isn't known.
    """

    name: str
    version: str
    api_version: str
    node_protocol: int
    revision: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        version = self.version

        api_version = self.api_version

        node_protocol = self.node_protocol

        revision = self.revision

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "version": version,
                "api_version": api_version,
                "node_protocol": node_protocol,
            }
        )
        if revision is not UNSET:
            field_dict["revision"] = revision

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        version = d.pop("version")

        api_version = d.pop("api_version")

        node_protocol = d.pop("node_protocol")

        revision = d.pop("revision", UNSET)

        version = cls(
            name=name,
            version=version,
            api_version=api_version,
            node_protocol=node_protocol,
            revision=revision,
        )

        version.additional_properties = d
        return version

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
