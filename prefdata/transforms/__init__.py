"""From records to pairs: aggregate, pair, merge, resolve, split; every dropped row with its reason."""
