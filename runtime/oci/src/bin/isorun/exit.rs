//! What the process exits with: [`std::process::ExitCode`] does not give its
//! number back, and `main` is not Rust's here.

/// An exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExitCode(u8);

impl ExitCode {
    /// All went well.
    pub(crate) const SUCCESS: Self = Self(0);

    /// As a number.
    pub(crate) fn number(self) -> u8 {
        self.0
    }
}

impl From<u8> for ExitCode {
    fn from(status: u8) -> Self {
        Self(status)
    }
}
