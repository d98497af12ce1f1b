"""The Data tab: a data set inspected before training."""
