"""The Lab tab: can a method be deployed? Measured on this machine."""
