"""Reading sources of every kind, and writing the data set directory."""
