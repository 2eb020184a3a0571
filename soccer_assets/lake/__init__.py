"""The lake: an object store on local disk or S3, the payload archive and the parquet tables."""
