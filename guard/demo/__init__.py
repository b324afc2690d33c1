"""Floor 7, the demonstration: real requests through every mount against the simulated provider."""
