"""The prediction service: reads PostgreSQL, answers HTTP; knows neither Dagster nor MLflow."""
