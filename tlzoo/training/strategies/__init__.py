"""What trains: a module for each strategy."""
