"""The data set directory: written whole or not at all, and read back."""
