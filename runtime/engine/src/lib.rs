//! What stands above the OCI runtime: root file systems, bundles and default policy.
