"""HTTP/2 (RFC 9113) with bounds, on the library ``h2``."""
