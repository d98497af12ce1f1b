"""One file per larger command: its arguments, and what it prints."""
