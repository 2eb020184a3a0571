"""PostgreSQL: the embedded server, the tables and the bulk upsert."""
