"""Running frozen networks: engines, and tiles for pictures of any size."""
