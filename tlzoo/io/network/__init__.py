"""What asks other machines, and whether it may."""
