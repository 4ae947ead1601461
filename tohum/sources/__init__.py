"""Where raw files come from: a module for each kind of source, with its section."""
