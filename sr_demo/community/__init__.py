"""The community's models on OpenModelDB: search in its index, download, and opening like a user's own file."""
