"""`python -m qhw`."""

from __future__ import annotations

from qhw.cli.app import main

main()
