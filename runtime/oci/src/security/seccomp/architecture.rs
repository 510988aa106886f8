//! The architectures whose calls may reach a filter.

use super::refused;
use super::table::{Row, on_x32};
use crate::error::Result;

/// Calls of the x32 ABI carry x86_64's architecture and this bit.
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// An architecture as a filter sees it: the kernel's number for it, and its
/// column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Architecture {
    X86_64,
    X86,
    Aarch64,
    Arm,
}

pub(super) const NATIVE: Architecture = if cfg!(target_arch = "aarch64") {
    Architecture::Aarch64
} else {
    Architecture::X86_64
};

/// The specification's names, without `SCMP_ARCH_`, of machines whose calls
/// cannot reach this kernel: a policy for many machines names them.
const ELSEWHERE: [&str; 22] = [
    "MIPS",
    "MIPS64",
    "MIPS64N32",
    "MIPSEL",
    "MIPSEL64",
    "MIPSEL64N32",
    "PPC",
    "PPC64",
    "PPC64LE",
    "S390",
    "S390X",
    "PARISC",
    "PARISC64",
    "RISCV64",
    "LOONGARCH64",
    "M68K",
    "SH",
    "SHEB",
    "X86_64",
    "X86",
    "AARCH64",
    "ARM",
];

impl Architecture {
    /// `AUDIT_ARCH_*`, `linux/audit.h`.
    pub(super) const fn audit(self) -> u32 {
        match self {
            Self::X86_64 => 0xC000_003E,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xC000_00B7,
            Self::Arm => 0x4000_0028,
        }
    }

    /// The number that it has for a call.
    pub(super) fn number(self, row: &Row) -> Option<u32> {
        match self {
            Self::X86_64 => row.1,
            Self::X86 => row.2,
            Self::Aarch64 => row.3,
            Self::Arm => row.4,
        }
    }
}

/// What a policy names of those that can reach this kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// The native one first.
    pub(super) architectures: Vec<Architecture>,
    /// Whether x86_64's calls may come in their x32 form.
    pub(super) x32: bool,
}

impl Named {
    pub(super) fn parse(names: &[String]) -> Result<Self> {
        let mut named = Self {
            architectures: vec![NATIVE],
            x32: false,
        };
        for (index, name) in names.iter().enumerate() {
            let short = name.strip_prefix("SCMP_ARCH_").unwrap_or("");
            let second = match (NATIVE, short) {
                (_, "NATIVE") => None,
                (Architecture::X86_64, "X86") => Some(Architecture::X86),
                (Architecture::Aarch64, "ARM") => Some(Architecture::Arm),
                (native, "X32") => {
                    named.x32 = native == Architecture::X86_64;
                    None
                }
                (_, other) if ELSEWHERE.contains(&other) => None,
                _ => {
                    let field = format!("architectures[{index}]");
                    let reason = format!("string {name} is not a valid arch for seccomp");
                    return Err(refused(&field, &reason, "as in SCMP_ARCH_X86_64"));
                }
            };
            if let Some(second) = second
                && !named.architectures.contains(&second)
            {
                named.architectures.push(second);
            }
        }
        Ok(named)
    }

    /// The numbers under which a call of `architecture` arrives.
    pub(super) fn numbers(
        &self,
        architecture: Architecture,
        row: &Row,
    ) -> impl Iterator<Item = u32> + use<> {
        let number = architecture.number(row);
        let twin = number
            .filter(|_| self.x32 && architecture == Architecture::X86_64)
            .map(|number| on_x32(number) | X32_BIT);
        number.into_iter().chain(twin)
    }
}
