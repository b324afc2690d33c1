"""All rows of the catalogue, in the order that settles ties (the earlier row is the more specific)."""

from __future__ import annotations

from guard.pii.catalog_china import CHINA
from guard.pii.catalog_everyone import EVERYONE
from guard.pii.catalog_health import HEALTH
from guard.pii.catalog_nations import NATIONS
from guard.pii.catalog_online import ONLINE
from guard.pii.catalog_papers import PAPERS
from guard.pii.catalog_secrets import SECRETS
from guard.pii.rows import Row

ROWS: tuple[Row, ...] = (*CHINA, *NATIONS, *HEALTH, *PAPERS, *SECRETS, *EVERYONE, *ONLINE)
"""Every row; a kind may have several."""
