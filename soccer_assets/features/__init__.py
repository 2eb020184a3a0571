"""Point-in-time features: ratings, form and league context, one function for training and serving."""
