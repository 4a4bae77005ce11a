"""Fixtures that tests of several rooms use; `conftest.py` at the root of the repository loads them."""
