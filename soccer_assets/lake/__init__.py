"""The lake: months of the tables as parquet, published behind one manifest, and compared with them."""
