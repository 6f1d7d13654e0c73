from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.job import Job
from ...models.list_jobs_state import ListJobsState
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    *,
    vm_id: UUID | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    state: ListJobsState | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> dict[str, Any]:

    params: dict[str, Any] = {}

    json_vm_id: str | Unset = UNSET
    if not isinstance(vm_id, Unset):
        json_vm_id = str(vm_id)
    params["vm_id"] = json_vm_id

    json_host_id: str | Unset = UNSET
    if not isinstance(host_id, Unset):
        json_host_id = str(host_id)
    params["host_id"] = json_host_id

    json_state: str | Unset = UNSET
    if not isinstance(state, Unset):
        json_state = state.value

    params["state"] = json_state

    params["limit"] = limit

    params["cursor"] = cursor

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "get",
        "url": "/jobs",
        "params": params,
    }

    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Problem | list[Job]:
    if response.status_code == 200:
        response_200 = []
        _response_200 = response.json()
        for response_200_item_data in _response_200:
            response_200_item = Job.from_dict(response_200_item_data)

            response_200.append(response_200_item)

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Problem | list[Job]]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    *,
    client: AuthenticatedClient | Client,
    vm_id: UUID | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    state: ListJobsState | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Response[Problem | list[Job]]:
    """Jobs, newest first. Every change of a VM or a host is one.

    Args:
        vm_id (UUID | Unset):
        host_id (UUID | Unset):
        state (ListJobsState | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | list[Job]]
    """

    kwargs = _get_kwargs(
        vm_id=vm_id,
        host_id=host_id,
        state=state,
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
    vm_id: UUID | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    state: ListJobsState | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Problem | list[Job] | None:
    """Jobs, newest first. Every change of a VM or a host is one.

    Args:
        vm_id (UUID | Unset):
        host_id (UUID | Unset):
        state (ListJobsState | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | list[Job]
    """

    return sync_detailed(
        client=client,
        vm_id=vm_id,
        host_id=host_id,
        state=state,
        limit=limit,
        cursor=cursor,
    ).parsed


async def asyncio_detailed(
    *,
    client: AuthenticatedClient | Client,
    vm_id: UUID | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    state: ListJobsState | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Response[Problem | list[Job]]:
    """Jobs, newest first. Every change of a VM or a host is one.

    Args:
        vm_id (UUID | Unset):
        host_id (UUID | Unset):
        state (ListJobsState | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Problem | list[Job]]
    """

    kwargs = _get_kwargs(
        vm_id=vm_id,
        host_id=host_id,
        state=state,
        limit=limit,
        cursor=cursor,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    *,
    client: AuthenticatedClient | Client,
    vm_id: UUID | Unset = UNSET,
    host_id: UUID | Unset = UNSET,
    state: ListJobsState | Unset = UNSET,
    limit: int | Unset = 1000,
    cursor: str | Unset = UNSET,
) -> Problem | list[Job] | None:
    """Jobs, newest first. Every change of a VM or a host is one.

    Args:
        vm_id (UUID | Unset):
        host_id (UUID | Unset):
        state (ListJobsState | Unset):
        limit (int | Unset):  Default: 1000.
        cursor (str | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Problem | list[Job]
    """

    return (
        await asyncio_detailed(
            client=client,
            vm_id=vm_id,
            host_id=host_id,
            state=state,
            limit=limit,
            cursor=cursor,
        )
    ).parsed
