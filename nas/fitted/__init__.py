"""Scores fitted to trained networks: sums of terms over stages under a link, stored as JSON."""
