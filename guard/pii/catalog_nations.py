"""The catalogue: national numbers outside China, region by region."""

from __future__ import annotations

from guard.pii.catalog_americas import AMERICAS
from guard.pii.catalog_europe import EUROPE
from guard.pii.catalog_world import WORLD

NATIONS = (*AMERICAS, *EUROPE, *WORLD)
"""Every row of a country; without a cue word most are guesses."""
