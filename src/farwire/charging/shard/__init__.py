"""A shard: the records of its subscribers in one arena, found by an index, owned by virtual shards."""
