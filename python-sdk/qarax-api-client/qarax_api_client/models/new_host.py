from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

T = TypeVar("T", bound="NewHost")


@_attrs_define
class NewHost:
    """
    Attributes:
        name (str): Unique among the hosts. Letters, digits, '.', '_' and '-', beginning with a letter or digit.
        address (str): DNS name or IP address of its qarax-node.
        port (int): gRPC port of its qarax-node.
        host_user (str | Unset): Kept and shown; not needed.
        password (str | Unset): Accepted, neither kept nor shown; not needed.
    """

    name: str
    address: str
    port: int
    host_user: str | Unset = UNSET
    password: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        name = self.name

        address = self.address

        port = self.port

        host_user = self.host_user

        password = self.password

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "name": name,
                "address": address,
                "port": port,
            }
        )
        if host_user is not UNSET:
            field_dict["host_user"] = host_user
        if password is not UNSET:
            field_dict["password"] = password

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        name = d.pop("name")

        address = d.pop("address")

        port = d.pop("port")

        host_user = d.pop("host_user", UNSET)

        password = d.pop("password", UNSET)

        new_host = cls(
            name=name,
            address=address,
            port=port,
            host_user=host_user,
            password=password,
        )

        new_host.additional_properties = d
        return new_host

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
