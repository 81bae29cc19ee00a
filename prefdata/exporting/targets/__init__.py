"""One file for each trainer or service, or for those that share their shape."""
