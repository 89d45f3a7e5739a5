"""Linear maps that derivatives are made of."""

from __future__ import annotations

from laws import everything
from makers import GROUPS


@everything(GROUPS["linear"])
def test_laws(law, maker):
    law(maker)
