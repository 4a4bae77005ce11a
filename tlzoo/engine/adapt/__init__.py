"""Domain adaptation: methods that take unlabelled target data."""
