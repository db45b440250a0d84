"""The IBM account: whether there is one, its plan, and the devices it sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qhw.errors import BackendUnavailableError, CredentialsError, RetryableError
from qhw.jobs.ibm.faults import ASK_AGAIN, account_fault, quieten_client, translated, vendor_faults
from qhw.jobs.ibm.single_post import forbid_reposts, refuse_other_connections
from qhw.known import CREDENTIALS, has_credentials, not_in_account

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend, QiskitRuntimeService


NO_ANSWER = (AttributeError, TypeError, LookupError)
"""What the client stumbles over where an answer of the account's services is empty."""


@dataclass(frozen=True)
class LiveDevice:
    """A device that the account sees.

    Attributes:
        name: Such as `ibm_fez`.
        num_qubits: Physical qubits.
        pending_jobs: Jobs waiting, everybody's.
        operational: Whether it runs jobs now.
    """

    name: str
    num_qubits: int
    pending_jobs: int
    operational: bool


def open_service() -> QiskitRuntimeService:
    """The account as the client's own variables or account file give it.

    Raises:
        CredentialsError: If there is none, or it is not accepted.
        RetryableError: If IBM's identity or search service does not answer.
    """
    if not has_credentials():
        raise CredentialsError("There is no IBM account here.", CREDENTIALS)
    from qiskit_ibm_runtime import QiskitRuntimeService

    forbid_reposts()
    quieten_client()
    try:
        service = QiskitRuntimeService()
    except vendor_faults() as error:
        raise account_fault(error) from None
    except NO_ANSWER as error:
        raise RetryableError(
            f"opening the IBM account: an answer was empty or cut ({type(error).__name__})",
            ASK_AGAIN,
        ) from None
    for client in _clients(service):
        refuse_other_connections(client._session)
    return service


def list_devices(service: QiskitRuntimeService) -> list[LiveDevice]:
    """The devices of every instance of the account, by name.

    Raises:
        HardwareError: If the platform does not tell.
    """
    with translated("listing the devices"):
        entries = [entry for client in _clients(service) for entry in client.list_backends()]
    devices = {
        entry["name"]: LiveDevice(
            name=str(entry["name"]),
            num_qubits=int(entry.get("qubits", 0)),
            pending_jobs=int(entry.get("queue_length", 0)),
            operational=entry.get("status", {}).get("name") == "online",
        )
        for entry in entries
    }
    return [devices[name] for name in sorted(devices)]


def find_device(service: QiskitRuntimeService, device: str) -> IBMBackend:
    """The client's own handle of a device.

    Raises:
        BackendUnavailableError: If the account does not see it; says what there is instead.
        RetryableError: If the platform does not answer.
    """
    from qiskit.providers.exceptions import QiskitBackendNotFoundError

    with translated(f"opening {device}"):
        try:
            return service.backend(device)
        except QiskitBackendNotFoundError:
            pass
    raise not_found(service, device)


def not_found(
    service: QiskitRuntimeService, device: str
) -> BackendUnavailableError | RetryableError:
    """What is behind the client's "not found": a retired device, a wrong name, a missing answer.

    Raises:
        RetryableError: If the platform is down, which the client words in the same way.
    """
    seen = [entry.name for entry in list_devices(service)]
    if device in seen:
        return RetryableError(f"The platform lists {device} but does not describe it.", ASK_AGAIN)
    return not_in_account(device, seen)


def plan_of(service: QiskitRuntimeService, instance: str) -> str:
    """Name of the plan behind an instance, in small letters, such as `open`."""
    with translated("reading the plan"):
        plans = {entry["crn"]: entry["plan"] for entry in service.instances()}
    return str(plans.get(instance, "unknown"))


def close_group(group_id: str) -> None:
    """Close a session or batch that another process left open; nothing happens if it is closed."""
    service = open_service()
    with translated(f"closing {group_id}"):
        for client in _clients(service):
            client.close_session(group_id)


def _clients(service: QiskitRuntimeService) -> list[Any]:
    """One connection per instance; the client offers no public way to them."""
    return list(service._get_api_clients().values())
