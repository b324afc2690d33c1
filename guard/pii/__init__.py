"""Floor 2, finding and changing personal data: pure, no I/O, clock, environment or randomness."""
