"""Rounds of generating, judging and training."""
