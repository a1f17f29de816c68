"""The game on top of the truth: what work earns, and for whom. Pure."""
