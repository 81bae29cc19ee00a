"""Requests to models: endpoints, rate limits, prices, and the journal of what was paid."""
