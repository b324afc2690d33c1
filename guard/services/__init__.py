"""Floor 5, the checks that need the world: detection workers, moderation, logs."""
