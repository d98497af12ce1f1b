"""Downloads: checkpoints as verified local files, and repositories and data sets from the Hub."""
