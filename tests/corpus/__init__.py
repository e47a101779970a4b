"""Malformed inputs, and what Tunewright makes of each: a clear error or correct handling, never a traceback.

`python -m tests.corpus` prints every input with the message that it gives. How to add one: harness.py.
"""
