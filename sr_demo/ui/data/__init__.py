"""The Data tab: inspection of a data set before training."""
