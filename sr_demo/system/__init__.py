"""The machine: hardware, memory, storage, and Ray."""
