from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.list_vms_status import ListVmsStatus
from ...models.problem import Problem
from ...models.vm import Vm
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    name: str | Unset = UNSET,
    status: ListVmsStatus | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    tags: str | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    params["name"] = name

    json_status: str | Unset = UNSET
    if not isinstance(status, Unset):
        json_status = status.value

    params["status"] = json_status

    json_host_id: str | Unset = UNSET
    if not isinstance(host_id, Unset):
        json_host_id = str(host_id)
    params["host_id"] = json_host_id

    params["tags"] = tags

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/vms",
        "params": params,
    }

    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Problem | list[Vm]:
    if response.status_code == 200:
        response_200 = []
        _response_200 = response.json()
        for response_200_item_data in _response_200:
            response_200_item = Vm.from_dict(response_200_item_data)

            response_200.append(response_200_item)

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Problem | list[Vm]]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    name: str | Unset = UNSET,
    status: ListVmsStatus | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    tags: str | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Response[Problem | list[Vm]]:
    """All VMs, in the order they were made.

    Args:
        name (str | Unset):
        status (ListVmsStatus | Unset):
        host_id (UUID | Unset):
        tags (str | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | list[Vm]]
    """

    kwargs = _get_kwargs(
        name=name,
        status=status,
        host_id=host_id,
        tags=tags,
        limit=limit,
        cursor=cursor,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    *,
    client: AuthenticatedClient | Client,
    name: str | Unset = UNSET,
    status: ListVmsStatus | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    tags: str | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Problem | list[Vm] | None:
    """All VMs, in the order they were made.

    Args:
        name (str | Unset):
        status (ListVmsStatus | Unset):
        host_id (UUID | Unset):
        tags (str | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | list[Vm]
    """

    return sync_detailed(
        client=client,
        name=name,
        status=status,
        host_id=host_id,
        tags=tags,
        limit=limit,
        cursor=cursor,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    name: str | Unset = UNSET,
    status: ListVmsStatus | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    tags: str | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Response[Problem | list[Vm]]:
    """All VMs, in the order they were made.

    Args:
        name (str | Unset):
        status (ListVmsStatus | Unset):
        host_id (UUID | Unset):
        tags (str | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | list[Vm]]
    """

    kwargs = _get_kwargs(
        name=name,
        status=status,
        host_id=host_id,
        tags=tags,
        limit=limit,
        cursor=cursor,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    name: str | Unset = UNSET,
    status: ListVmsStatus | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    tags: str | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Problem | list[Vm] | None:
    """All VMs, in the order they were made.

    Args:
        name (str | Unset):
        status (ListVmsStatus | Unset):
        host_id (UUID | Unset):
        tags (str | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | list[Vm]
    """

    return (
        await asyncio_detailed(
            client=client,
            name=name,
            status=status,
            host_id=host_id,
            tags=tags,
            limit=limit,
            cursor=cursor,
        )
    ).parsed
