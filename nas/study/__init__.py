"""Studies: how well scores tell which networks are good, measured by training a population of them."""
