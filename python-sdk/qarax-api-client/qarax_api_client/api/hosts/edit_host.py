from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.host import Host
from ...models.host_patch import HostPatch
from ...models.problem import Problem
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    body: HostPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(if_match, Unset):
        headers["If-Match"] = if_match

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "patch",
        "url": "/hosts/{id}".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Host | Problem:
    if response.status_code == 200:
        response_200 = Host.from_dict(response.json())

        return response_200

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 412:
        response_412 = Problem.from_dict(response.json())

        return response_412

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(*, client: AuthenticatedClient | Client, response: httpx.Response) -> Response[Host | Problem]:
    return Response(
        status_code=HTTPStatus(response.status_code),
        content=response.content,
        headers=response.headers,
        parsed=_parse_response(client=client, response=response),
    )


def sync_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HostPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Host | Problem]:
    """Change its name, address, port or host_user (JSON merge patch).

     At another address or port the node that the host is pinned to has to answer; until then its VMs are
    unknown.
    A host that has proved that this database was set back, or wasn't heard since that was found out,
    can be moved
    while changes are refused as `read-only`.
    Content types: application/json, application/merge-patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (HostPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Host | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HostPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Host | Problem | None:
    """Change its name, address, port or host_user (JSON merge patch).

     At another address or port the node that the host is pinned to has to answer; until then its VMs are
    unknown.
    A host that has proved that this database was set back, or wasn't heard since that was found out,
    can be moved
    while changes are refused as `read-only`.
    Content types: application/json, application/merge-patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (HostPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Host | Problem
    """

    return sync_detailed(
        id=id,
        client=client,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HostPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Response[Host | Problem]:
    """Change its name, address, port or host_user (JSON merge patch).

     At another address or port the node that the host is pinned to has to answer; until then its VMs are
    unknown.
    A host that has proved that this database was set back, or wasn't heard since that was found out,
    can be moved
    while changes are refused as `read-only`.
    Content types: application/json, application/merge-patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (HostPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Host | Problem]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        if_match=if_match,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: HostPatch,
    dry_run: bool | Unset = False,
    if_match: str | Unset = UNSET,
) -> Host | Problem | None:
    """Change its name, address, port or host_user (JSON merge patch).

     At another address or port the node that the host is pinned to has to answer; until then its VMs are
    unknown.
    A host that has proved that this database was set back, or wasn't heard since that was found out,
    can be moved
    while changes are refused as `read-only`.
    Content types: application/json, application/merge-patch+json.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        if_match (str | Unset):
        body (HostPatch):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Host | Problem
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            body=body,
            dry_run=dry_run,
            if_match=if_match,
        )
    ).parsed
