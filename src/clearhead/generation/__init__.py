"""Generation: writing token by token, through the cache."""
