"""PostgreSQL: the embedded server, the tables and the bulk upsert."""

from sqlalchemy.dialects import plugins

# What the URLs of this package name in `plugin=`; loaded when an engine is made of one.
plugins.register("soccer_session", "soccer_assets.warehouse.session", "SessionSettings")
plugins.register("soccer_embedded", "soccer_assets.warehouse.embedded", "EmbeddedServer")
