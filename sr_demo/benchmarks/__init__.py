"""Measurements of speed, memory and reliability, each run by a subcommand of `bench`."""
