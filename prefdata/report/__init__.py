"""The numbers of a run, as a table, a card and a manifest."""
