"""Several processes for one program: a parent that supervises, and what its children do."""
