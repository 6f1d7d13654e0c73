from http import HTTPStatus
from typing import Any
from urllib.parse import quote
from uuid import UUID

import httpx

from ...client import AuthenticatedClient, Client
from ...models.accepted import Accepted
from ...models.dry_run import DryRun
from ...models.new_snapshot import NewSnapshot
from ...models.problem import Problem
from ...models.snapshot import Snapshot
from ...types import UNSET, Response, Unset


def _get_kwargs(
    id: UUID,
    *,
    body: NewSnapshot | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> dict[str, Any]:
    headers: dict[str, Any] = {}
    if not isinstance(prefer, Unset):
        headers["Prefer"] = prefer

    if not isinstance(idempotency_key, Unset):
        headers["Idempotency-Key"] = idempotency_key

    params: dict[str, Any] = {}

    params["dry_run"] = dry_run

    params = {k: v for k, v in params.items() if v is not UNSET and v is not None}

    _kwargs: dict[str, Any] = {
        "method": "post",
        "url": "/vms/{id}/snapshots".format(
            id=quote(str(id), safe=""),
        ),
        "params": params,
    }

    if not isinstance(body, Unset):
        _kwargs["json"] = body.to_dict()

    headers["Content-Type"] = "application/json"

    _kwargs["headers"] = headers
    return _kwargs


def _parse_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Accepted | DryRun | Problem | Snapshot:
    if response.status_code == 200:
        response_200 = DryRun.from_dict(response.json())

        return response_200

    if response.status_code == 201:
        response_201 = Snapshot.from_dict(response.json())

        return response_201

    if response.status_code == 202:
        response_202 = Accepted.from_dict(response.json())

        return response_202

    if response.status_code == 400:
        response_400 = Problem.from_dict(response.json())

        return response_400

    if response.status_code == 404:
        response_404 = Problem.from_dict(response.json())

        return response_404

    if response.status_code == 409:
        response_409 = Problem.from_dict(response.json())

        return response_409

    if response.status_code == 415:
        response_415 = Problem.from_dict(response.json())

        return response_415

    if response.status_code == 422:
        response_422 = Problem.from_dict(response.json())

        return response_422

    if response.status_code == 501:
        response_501 = Problem.from_dict(response.json())

        return response_501

    if response.status_code == 502:
        response_502 = Problem.from_dict(response.json())

        return response_502

    if response.status_code == 503:
        response_503 = Problem.from_dict(response.json())

        return response_503

    if response.status_code == 504:
        response_504 = Problem.from_dict(response.json())

        return response_504

    if response.status_code == 507:
        response_507 = Problem.from_dict(response.json())

        return response_507

    response_default = Problem.from_dict(response.json())

    return response_default


def _build_response(
    *, client: AuthenticatedClient | Client, response: httpx.Response
) -> Response[Accepted | DryRun | Problem | Snapshot]:
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
    body: NewSnapshot | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Response[Accepted | DryRun | Problem | Snapshot]:
    """Keep the memory and the devices of a running or paused VM.

     The guest stands still while its memory is written to the disk of its host, and then goes on as
    before. What
    fails or is interrupted leaves nothing behind. Snapshots go with their VM.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):
        body (NewSnapshot | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | DryRun | Problem | Snapshot]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        prefer=prefer,
        idempotency_key=idempotency_key,
    )

    response = client.get_httpx_client().request(
        **kwargs,
    )

    return _build_response(client=client, response=response)


def sync(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: NewSnapshot | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Accepted | DryRun | Problem | Snapshot | None:
    """Keep the memory and the devices of a running or paused VM.

     The guest stands still while its memory is written to the disk of its host, and then goes on as
    before. What
    fails or is interrupted leaves nothing behind. Snapshots go with their VM.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):
        body (NewSnapshot | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | DryRun | Problem | Snapshot
    """

    return sync_detailed(
        id=id,
        client=client,
        body=body,
        dry_run=dry_run,
        prefer=prefer,
        idempotency_key=idempotency_key,
    ).parsed


async def asyncio_detailed(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: NewSnapshot | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Response[Accepted | DryRun | Problem | Snapshot]:
    """Keep the memory and the devices of a running or paused VM.

     The guest stands still while its memory is written to the disk of its host, and then goes on as
    before. What
    fails or is interrupted leaves nothing behind. Snapshots go with their VM.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):
        body (NewSnapshot | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Response[Accepted | DryRun | Problem | Snapshot]
    """

    kwargs = _get_kwargs(
        id=id,
        body=body,
        dry_run=dry_run,
        prefer=prefer,
        idempotency_key=idempotency_key,
    )

    response = await client.get_async_httpx_client().request(**kwargs)

    return _build_response(client=client, response=response)


async def asyncio(
    id: UUID,
    *,
    client: AuthenticatedClient | Client,
    body: NewSnapshot | Unset = UNSET,
    dry_run: bool | Unset = False,
    prefer: str | Unset = UNSET,
    idempotency_key: str | Unset = UNSET,
) -> Accepted | DryRun | Problem | Snapshot | None:
    """Keep the memory and the devices of a running or paused VM.

     The guest stands still while its memory is written to the disk of its host, and then goes on as
    before. What
    fails or is interrupted leaves nothing behind. Snapshots go with their VM.

    Args:
        id (UUID):
        dry_run (bool | Unset):  Default: False.
        prefer (str | Unset):
        idempotency_key (str | Unset):
        body (NewSnapshot | Unset):

    Raises:
        errors.UnexpectedStatus: If the server returns an undocumented status code and Client.raise_on_unexpected_status is True.
        httpx.TimeoutException: If the request takes longer than Client.timeout.

    Returns:
        Accepted | DryRun | Problem | Snapshot
    """

    return (
        await asyncio_detailed(
            id=id,
            client=client,
            body=body,
            dry_run=dry_run,
            prefer=prefer,
            idempotency_key=idempotency_key,
        )
    ).parsed
