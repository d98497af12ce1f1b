"""Tables, charts and reports of what the runner measures, and the verdicts on it."""
