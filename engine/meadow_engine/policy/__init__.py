"""Whether to share now, and why not: decided from facts alone."""
