"""What people are told: kinds of alerts, the outbox they go to first, and what is due from it."""
