"""Tables and reports made from what the runner measures."""
