"""Published accuracies: how well scores and costs in closed form account for them."""
