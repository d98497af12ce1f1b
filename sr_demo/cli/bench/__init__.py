"""`python -m sr_demo bench`: one file per measurement. Each line is printed as soon as it is measured."""
