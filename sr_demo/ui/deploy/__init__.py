"""The Deploy tab: measurements on this machine of whether a method can be deployed."""
