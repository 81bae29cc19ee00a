"""Several runs that differ in a few options, side by side."""
