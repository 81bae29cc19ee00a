"""The catalogue: one file per family of known sources, each described as a layout."""
