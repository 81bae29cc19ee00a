"""Formats of columns with usual names: pairs, comparisons, ratings, labels."""
