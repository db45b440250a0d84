"""Figures, tables and pages out of what studies found; reads files only."""
