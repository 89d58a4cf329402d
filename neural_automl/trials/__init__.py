"""One trial of a search: what it begins with, what it writes down, and where it ends."""
