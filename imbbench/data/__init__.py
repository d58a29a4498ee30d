"""How data gets in: entries, sources, archives, readers, and the prepared form."""
