"""Intervals, tests and powers over few seeds."""
