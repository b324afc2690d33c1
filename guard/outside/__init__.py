"""Floor 4, the doors to the world: admitted connections and killable processes."""
