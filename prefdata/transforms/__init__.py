"""From records to pairs: aggregate, pair, merge, resolve, split; every row with its reason."""
