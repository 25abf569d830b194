"""Language models that explain, simulate or judge: clients, kept answers, and what they cost."""
