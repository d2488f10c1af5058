//! Everything of this crate against the real system.

mod shim;
