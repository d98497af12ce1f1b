"""The command line: one file per subcommand, and shared helpers."""
