"""The community's models of OpenModelDB: searched in its index, fetched, and opened like a user's own file."""
