"""Names that entries of the vision plugin have in common. Importing this needs nothing."""

from __future__ import annotations

TRANSFORMERS = "transformers/"
"""How the `architecture` of an entry begins whose network transformers builds."""
