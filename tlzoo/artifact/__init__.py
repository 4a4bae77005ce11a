"""The exported file as a format: what export writes into it and the runtime reads."""
