"""The catalogue of known sources: a YAML file for each, or a module where one needs a function."""
