"""From a checkpoint to verified local files: the Hub, plain addresses, repositories and data sets."""
