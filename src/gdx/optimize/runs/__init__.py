"""What all runs have in common: the loop, its gradients, its limits and its words."""
