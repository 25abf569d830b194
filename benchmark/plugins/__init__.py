"""Other people's explainers: what may be imported, isolation, and what they are handed."""
