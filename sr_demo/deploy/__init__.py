"""The deployability report: approaches measured in processes of their own and judged against a budget."""
