"""Take over a database that is older than the code: models, a first revision, and a stamp."""
