"""Inspection of a data set before training: statistics, duplicates, and the report."""
