"""Gleitzeit beside the programs people use today: the same work, in turn, on one machine.

`run.py` is the entry.
"""
