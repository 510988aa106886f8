//! A progress bar on standard error, for whoever waits at a terminal.
//!
//! It draws only between samples and has no thread of its own: a bar that ticks
//! while a start-up is timed would be part of what it times.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::compare::Progress;

/// The steps of a full bar.
const STEPS: u64 = 1000;

/// The bar.
#[derive(Debug)]
pub struct Bar(ProgressBar);

impl Bar {
    /// A bar that shows itself if standard error is a terminal.
    #[must_use]
    pub fn new() -> Self {
        let bar =
            ProgressBar::with_draw_target(Some(STEPS), ProgressDrawTarget::stderr_with_hz(10));
        let style = ProgressStyle::with_template("{wide_bar} {percent:>3} %  {msg:<28}");
        if let Ok(style) = style {
            bar.set_style(style.progress_chars("━╸─"));
        }
        Self(bar)
    }
}

impl Default for Bar {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Progress for Bar {
    fn show(&self, done: f64, doing: &str) {
        // From 0 to 1 by contract, so the product is a small whole number.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        self.0
            .set_position((done.clamp(0.0, 1.0) * STEPS as f64) as u64);
        self.0.set_message(doing.to_owned());
    }
}
