"""Floor 7, guard inside other frameworks: each file is imported only by those who have the framework."""
