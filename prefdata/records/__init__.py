"""Frames of records, their ids, and the reasons why a row gives none."""
