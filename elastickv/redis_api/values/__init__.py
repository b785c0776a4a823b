"""How each Redis data type lies in the keyspace."""
