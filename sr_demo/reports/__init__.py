"""Tables, charts and reports of the runner's measurements, and verdicts on them."""
