"""Floor 3, the parts of a stream's screening: lanes are checked, other texts are, and what was released leaves."""
