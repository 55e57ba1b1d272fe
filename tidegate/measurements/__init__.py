"""The data store: versions of rows, Parquet files by month, and the regular grid."""
