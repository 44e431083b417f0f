"""Which networks there are, and how their weights become a PyTorch model."""
