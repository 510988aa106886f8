//! Real PEP 405 virtual environments, made fast.
