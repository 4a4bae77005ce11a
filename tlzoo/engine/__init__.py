"""The transfer engine: freeze, compute what is frozen once, train the rest. Torch lives here."""
