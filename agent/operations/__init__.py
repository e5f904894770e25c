"""Use cases of administrators: upload, delete, reissue, revoke, replace the root. CLI and API call them."""
