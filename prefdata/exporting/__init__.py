"""Preference data for other trainers and services, with the configuration that they need."""
