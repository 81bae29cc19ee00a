"""Verdicts: how they are asked for, how far they can be trusted, and what follows from them."""
