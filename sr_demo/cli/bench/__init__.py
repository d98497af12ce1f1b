"""`python -m sr_demo bench`: one file per measurement, which prints each line as soon as it is measured."""
