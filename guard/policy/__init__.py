"""Floor 1, what is allowed: the only place where an action is chosen. Reads policy files; imports floor 0 only."""
