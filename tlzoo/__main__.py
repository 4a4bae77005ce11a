"""`python -m tlzoo` is the command line."""

from tlzoo.cli import program

program()
