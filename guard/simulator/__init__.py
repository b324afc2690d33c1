"""Floor 7, the simulated provider: a local server that answers as an OpenAI-compatible one, openly simulated."""
