"""Trained controllers outside their runs: exported, opened, shared.

run -> folder (`exporting`) -> Controller (`controller`) -> guidance
               <-> hub (`hub`)
"""
