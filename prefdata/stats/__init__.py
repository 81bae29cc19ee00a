"""Intervals, win rates and gates: numbers in, numbers out, nothing of files or commands."""
