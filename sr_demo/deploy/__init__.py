"""The deployability report: approaches measured in separate processes and judged by a budget."""
