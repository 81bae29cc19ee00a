"""`pref convert` and `pref inspect`: sources in, a data set directory or a description out."""
