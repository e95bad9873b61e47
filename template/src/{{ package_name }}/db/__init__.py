"""Everything between the models and the database."""
