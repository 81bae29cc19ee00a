"""A format as a specification, without code: loaded from YAML, validated, matched, built."""
