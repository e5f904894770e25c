"""Questions to DNS, past the memory of resolvers, and the records that prove names."""
