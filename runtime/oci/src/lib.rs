//! A low-level OCI container runtime for Linux: library and the isorun command.
