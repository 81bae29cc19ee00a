"""Reading sources of every kind: what a file holds, row by row."""
