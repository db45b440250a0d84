"""Many tasks on many machines: results that are whole or not there, and Ray, which gives out work.

Nothing here knows what a task does: it has a name, which stands for all that its result depends on.
"""
