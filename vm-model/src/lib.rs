//! Real QEMU guests and a cost model of virtual machines whose every parameter carries a source.
