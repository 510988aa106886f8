//! The lab: what a process, a virtual environment, a container and a virtual
//! machine cost on this machine, measured by one method.
