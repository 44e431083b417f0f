"""Which pictures of recordings are most worth labelling."""
