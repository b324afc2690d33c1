"""Floor 1, what is allowed: the only place where an action is chosen. Pure; imports floor 0 only."""
