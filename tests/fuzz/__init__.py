"""Generated hostile inputs for every verb."""
