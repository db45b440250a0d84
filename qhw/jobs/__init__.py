"""Paid work: asked for once, written down first, looked up before it is ever sent again."""
