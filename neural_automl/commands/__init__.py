"""Commands of the command line, their options, and the tables that they print."""
