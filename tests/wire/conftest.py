"""The walk along the SDK's types, where `import sdk_kit` finds it: tests are no package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location("sdk_kit", Path(__file__).with_name("sdk_kit.py"))
assert _spec is not None
assert _spec.loader is not None
_kit = sys.modules.setdefault("sdk_kit", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(_kit)
