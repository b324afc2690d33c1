"""The maps of positions: for each endpoint and direction, every place that may hold text, as data."""
