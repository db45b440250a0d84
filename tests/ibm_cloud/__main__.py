"""Serve the local platform from a process of its own: `python -m tests.ibm_cloud --port-file F`.

The file appears, in one step, when the server listens; it holds the client's environment variables
as JSON, and the root under `CLOUD_URL`. `RemoteCloud` in `remote.py` scripts it.
"""

from __future__ import annotations

import argparse
import json
import signal
from pathlib import Path

from tests.ibm_cloud.cloud import Cloud
from tests.ibm_cloud.server import CloudServer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.ibm_cloud", description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--plan", default="open", choices=["open", "pay-as-you-go"])
    parser.add_argument("--device", action="append", default=[], metavar="NAME=FAKE")
    chosen = parser.parse_args()
    devices = dict(pair.split("=") for pair in chosen.device)
    with CloudServer(Cloud(devices or None, plan=chosen.plan)) as server:
        variables = server.environment(chosen.port_file.parent) | {"CLOUD_URL": server.url}
        partial = chosen.port_file.with_suffix(".partial")
        partial.write_text(json.dumps(variables), encoding="utf-8")
        partial.replace(chosen.port_file)
        signal.sigwait({signal.SIGTERM, signal.SIGINT})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
