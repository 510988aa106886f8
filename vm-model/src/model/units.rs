//! Quantities that carry their unit: a sum of times and bytes does not compile.

use std::iter::Sum;
use std::ops::{Add, Div, Mul, Sub};

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub f64);

        impl $name {
            /// The larger of two.
            #[must_use]
            pub fn max(self, other: Self) -> Self {
                Self(self.0.max(other.0))
            }

            /// The smaller of two.
            #[must_use]
            pub fn min(self, other: Self) -> Self {
                Self(self.0.min(other.0))
            }
        }

        impl Add for $name {
            type Output = Self;

            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }

        impl Sub for $name {
            type Output = Self;

            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }

        impl Mul<f64> for $name {
            type Output = Self;

            fn mul(self, times: f64) -> Self {
                Self(self.0 * times)
            }
        }

        impl Div<f64> for $name {
            type Output = Self;

            fn div(self, parts: f64) -> Self {
                Self(self.0 / parts)
            }
        }

        /// How many times the one is the other.
        impl Div for $name {
            type Output = f64;

            fn div(self, other: Self) -> f64 {
                self.0 / other.0
            }
        }

        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
                Self(all.map(|one| one.0).sum())
            }
        }
    };
}

quantity! {
    /// A time.
    Seconds
}
quantity! {
    /// An amount of memory or of disk.
    Bytes
}
quantity! {
    /// How fast bytes come.
    BytesPerSecond
}
quantity! {
    /// How often something happens.
    PerSecond
}
quantity! {
    /// Money, in whatever currency the caller has.
    Money
}
quantity! {
    /// Power that is drawn.
    Watts
}

impl Div<BytesPerSecond> for Bytes {
    type Output = Seconds;

    fn div(self, speed: BytesPerSecond) -> Seconds {
        Seconds(self.0 / speed.0)
    }
}

/// How many happen in a time, or are under way in it.
impl Mul<Seconds> for PerSecond {
    type Output = f64;

    fn mul(self, time: Seconds) -> f64 {
        self.0 * time.0
    }
}
