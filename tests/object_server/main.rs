//! The embedded S3 endpoint, driven over real sockets by real clients.
