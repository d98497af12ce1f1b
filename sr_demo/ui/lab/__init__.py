"""The Deploy tab: can a method be deployed? Measured on this machine."""
