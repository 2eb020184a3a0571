"""Objects on local disk or S3: the store, the archive of payloads, frames, and how a lake is opened."""
