"""The data store: rows as versions, months of Parquet, and the regular grid."""
