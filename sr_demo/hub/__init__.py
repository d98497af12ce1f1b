"""Downloads: checkpoints as verified local files, repositories and data sets on the Hub."""
