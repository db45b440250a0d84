"""Script and read a local platform that runs in another process."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

from tests.ibm_cloud.cloud import Fault
from tests.ibm_cloud.server import fault_as_json


class RemoteCloud:
    """The other end of `/control`.

    Args:
        url: Root of the server, as in the port file under `CLOUD_URL`.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def inject(self, *faults: Fault) -> None:
        """Script faults."""
        self._control({"faults": [fault_as_json(fault) for fault in faults]})

    def set(self, **attributes: Any) -> None:
        """Set attributes of the `Cloud`, such as `queue_polls=3`."""
        self._control({"set": attributes})

    def call(self, method: str, *arguments: Any) -> None:
        """Call a method of the `Cloud`, such as `recalibrate`."""
        self._control({"call": {method: arguments}})

    def summary(self) -> dict[str, Any]:
        """See `Cloud.summary`."""
        return self._control(None)

    def _control(self, body: dict[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + "/control", data=data)
        with urllib.request.urlopen(request, timeout=60) as answer:
            content: dict[str, Any] = json.load(answer)
        return content
