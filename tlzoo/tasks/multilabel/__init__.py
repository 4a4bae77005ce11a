"""Classification with any number of labels per sample."""
