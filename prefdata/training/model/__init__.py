"""Models and tokenizers: loaded, sharded over processes, or made tiny."""
