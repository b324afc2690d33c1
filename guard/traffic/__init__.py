"""Floor 5, what surrounds a model call. Decisions are machines without I/O, clock or chance; drivers step them."""
