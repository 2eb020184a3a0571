"""What is deployed, on real servers: `make test-services`."""
