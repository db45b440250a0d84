"""Limits, quotes and plans: what work will cost before it is sent."""
