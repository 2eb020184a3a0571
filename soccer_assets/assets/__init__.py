"""The asset graph, one module a group; each asset reads, calls the domain, writes and reports."""
