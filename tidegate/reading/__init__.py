"""How the rows of files and databases are read: what sources are made of."""
