"""Data between the two halves of a run: in memory while there is room, then on disk."""
