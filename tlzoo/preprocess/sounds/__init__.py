"""Sounds as files and arrays: what a container holds, all of it decoded, on one scale, mixed to one channel."""
