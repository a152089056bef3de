"""Training: from a table of architectures to a table of what they reach."""
