"""Dates as people read them, all in one time zone."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """A time on our own clock, such as `2026-08-01 12:03:44 UTC`."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def told_moment(stamp: str) -> str:
    """A platform's date in the same form; verbatim if it is in no form that is known."""
    try:
        return moment(datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return stamp
