"""From a data set directory to the token ids that a trainer reads."""
