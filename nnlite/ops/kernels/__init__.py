"""How ops that slide windows over images go through memory; on raw arrays only."""
