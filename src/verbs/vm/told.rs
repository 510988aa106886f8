//! What became of a guest, for people and for programs: a sentence, a table of its phases, and the
//! same as a bar.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use vm_model::guest::Phases;
use vm_model::guest::phases::Stretch;

use crate::guests::Wanted;
use crate::guests::life::Lived;
use crate::report::text::{columns, wrapped};
use crate::terminal::speaks_unicode;

/// How much a terminal can show.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    width: usize,
    colour: bool,
    unicode: bool,
}

impl Style {
    /// By the conventions, for standard output.
    pub(super) fn of_stdout() -> Self {
        Self::of(io::stdout(), io::stdout().is_terminal())
    }

    /// The same for standard error.
    pub(super) fn of_stderr() -> Self {
        Self::of(io::stderr(), io::stderr().is_terminal())
    }

    fn of(stream: impl AsFd, terminal: bool) -> Self {
        let set = |name| std::env::var(name).is_ok_and(|value| !value.is_empty());
        let dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let width = terminal_size::terminal_size_of(stream).map_or(80, |(width, _)| width.0.into());
        Self {
            width: width.clamp(40, 100),
            colour: terminal && !set("NO_COLOR") && !dumb,
            unicode: speaks_unicode(),
        }
    }

    /// The mark of the stretch at `index`: neighbours differ, with colours and without.
    fn mark(self, index: usize, count: usize) -> String {
        // Those of Okabe and Ito, as near as 256 colours come.
        const COLOURS: [u8; 8] = [214, 74, 36, 220, 25, 166, 175, 244];
        const SHADES: [char; 4] = ['█', '▓', '▒', '░'];
        const LETTERS: [char; 8] = ['#', '=', '+', '-', '*', 'o', '%', '.'];
        let text = |sign: char| sign.to_string().repeat(count);
        match (self.unicode, self.colour) {
            (true, true) => format!("\x1b[38;5;{}m{}\x1b[0m", COLOURS[index % 8], text('█')),
            (true, false) => text(SHADES[index % 4]),
            (false, _) => text(LETTERS[index % 8]),
        }
    }
}

/// A life, ready to be told.
pub(super) struct Told<'a> {
    wanted: &'a Wanted,
    lived: &'a Lived,
    code: u8,
}

impl<'a> Told<'a> {
    pub(super) fn of(wanted: &'a Wanted, lived: &'a Lived, code: u8) -> Self {
        Self {
            wanted,
            lived,
            code,
        }
    }

    /// One line about hangs before the boot that counted.
    pub(super) fn hangs(&self) -> String {
        let count = self.lived.hangs.len();
        let s = if count == 1 { "" } else { "s" };
        format!("note: it booted after {count} hang{s}; the times are those of the last start")
    }

    /// For people.
    pub(super) fn text(&self, style: Style) -> String {
        let wanted = self.wanted;
        let phases = &self.lived.phases;
        let all = phases.total();
        let mut text = String::new();
        let by = match wanted.is_emulated() {
            true => "emulated by QEMU's TCG: no measure of virtualization",
            false => "KVM",
        };
        let program = wanted
            .command
            .first()
            .map_or("a program that does nothing", String::as_str);
        let sentence = format!(
            "Linux {} ran {program} in a guest ({}, {} MiB, {by}), which was gone {} after its start.",
            wanted.release,
            wanted.machine.name(),
            wanted.memory_mib,
            time(all),
        );
        let mut say = |sentence: &str| {
            for line in wrapped(sentence, style.width, 0) {
                text.push_str(&line);
                text.push('\n');
            }
        };
        say(&sentence);
        if wanted.is_emulated() {
            say(&format!("Why not KVM: {}.", wanted.accel.why));
        }
        if !self.lived.hangs.is_empty() {
            say(&self.hangs());
        }
        text.push('\n');
        text.push_str(&table(phases, style));
        text.push('\n');
        text.push_str(&bar(phases, style));
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> Result<String> {
        let wanted = self.wanted;
        let told = json!({
            "schema": "isolab.vm-run/1",
            "name": wanted.name,
            "command": wanted.command,
            "code": self.code,
            "machine": wanted.machine,
            "accelerator": wanted.accel.accel,
            "emulated": wanted.is_emulated(),
            "why": wanted.accel.why,
            "kernel": { "path": wanted.kernel, "release": wanted.release,
                        "compressed": self.lived.phases.compressed },
            "memory_mib": wanted.memory_mib,
            "cpus": wanted.cpus,
            "hangs": self.lived.hangs,
            "phases": self.lived.phases.stretches,
            "total_ns": u64::try_from(self.lived.phases.total().as_nanos())?,
        });
        Ok(format!("{told:#}\n"))
    }
}

/// Milliseconds with as many digits as say something.
fn time(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    match ms {
        ms if ms < 10.0 => format!("{ms:.2} ms"),
        ms if ms < 100.0 => format!("{ms:.1} ms"),
        ms if ms < 10_000.0 => format!("{ms:.0} ms"),
        ms => format!("{:.1} s", ms / 1e3),
    }
}

fn share(stretch: &Stretch, all: Duration) -> f64 {
    match all.is_zero() {
        true => 0.0,
        false => stretch.time.as_secs_f64() / all.as_secs_f64(),
    }
}

/// A line for each stretch, with its mark in the bar.
fn table(phases: &Phases, style: Style) -> String {
    let all = phases.total();
    let names: Vec<String> = phases.stretches.iter().map(ToString::to_string).collect();
    let widest = names.iter().map(|name| columns(name)).max().unwrap_or(0);
    let widest = widest.min(style.width.saturating_sub(24));
    let mut text = String::new();
    for (index, (stretch, name)) in phases.stretches.iter().zip(&names).enumerate() {
        let mark = style.mark(index, 1);
        let lines = wrapped(name, widest, 2);
        let (last, before) = lines.split_last().expect("there is always a line");
        for line in before {
            let _ = writeln!(text, "    {line}");
        }
        let gap = " ".repeat(widest.saturating_sub(columns(last)));
        let percent = 100.0 * share(stretch, all);
        let _ = writeln!(
            text,
            "  {mark} {last}{gap} {:>10} {percent:>6.1} %",
            time(stretch.time)
        );
    }
    let gap = " ".repeat(widest.saturating_sub(3));
    let _ = writeln!(text, "    all{gap} {:>10}", time(all));
    if !phases.compressed {
        text.push_str("    (the kernel is not compressed: there was nothing to unpack)\n");
    }
    text
}

/// The same to scale: a border stands where it belongs, to half a cell.
fn bar(phases: &Phases, style: Style) -> String {
    let width = style.width - 4;
    let all = phases.total();
    let mut text = String::from("  ");
    let (mut passed, mut drawn) = (0.0, 0);
    for (index, stretch) in phases.stretches.iter().enumerate() {
        passed += share(stretch, all);
        // From 0 to 1, so the product is a small whole number.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        let border = (passed * width as f64).round() as usize;
        let border = border.clamp(drawn, width);
        if border > drawn {
            text.push_str(&style.mark(index, border - drawn));
        }
        drawn = border;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use vm_model::guest::phases::Phase;

    use super::*;

    fn phases(times: &[(&[Phase], u64)]) -> Phases {
        let stretch = |(phases, ms): &(&[Phase], u64)| Stretch {
            phases: phases.to_vec(),
            time: Duration::from_millis(*ms),
        };
        Phases {
            stretches: times.iter().map(stretch).collect(),
            compressed: true,
        }
    }

    fn usual() -> Phases {
        phases(&[
            (&[Phase::Vmm], 30),
            (&[Phase::Firmware], 10),
            (&[Phase::Kernel, Phase::Devices], 900),
            (&[Phase::Init], 10),
            (&[Phase::Workload], 50),
        ])
    }

    const STYLES: [Style; 4] = [
        Style {
            width: 40,
            colour: false,
            unicode: false,
        },
        Style {
            width: 100,
            colour: false,
            unicode: true,
        },
        Style {
            width: 80,
            colour: true,
            unicode: true,
        },
        Style {
            width: 40,
            colour: true,
            unicode: true,
        },
    ];

    /// Without what colours a terminal.
    fn bare(text: &str) -> String {
        let mut parts = text.split("\x1b[");
        let first = parts.next().unwrap_or_default().to_owned();
        let rest = parts.filter_map(|part| part.split_once('m').map(|(_, rest)| rest));
        first + &rest.collect::<String>()
    }

    #[test]
    fn nothing_is_wider_than_the_terminal() {
        let long = phases(&[(
            &[
                Phase::Vmm,
                Phase::Firmware,
                Phase::Decompression,
                Phase::Kernel,
                Phase::Devices,
            ],
            1234,
        )]);
        for style in STYLES {
            for phases in [usual(), long.clone(), phases(&[])] {
                let text = table(&phases, style) + &bar(&phases, style);
                for line in bare(&text)
                    .lines()
                    .filter(|line| !line.starts_with("    ("))
                {
                    assert!(columns(line) <= style.width, "{line:?}");
                }
            }
        }
    }

    #[test]
    fn the_bar_is_to_scale_and_full() {
        for style in STYLES {
            let drawn = bare(&bar(&usual(), style));
            assert_eq!(columns(drawn.trim()), style.width - 4);
        }
        let ascii = bar(
            &usual(),
            Style {
                width: 104,
                colour: false,
                unicode: false,
            },
        );
        let count = |sign| ascii.matches(sign).count();
        assert_eq!(
            (count('#'), count('='), count('+'), count('-'), count('*')),
            (3, 1, 90, 1, 5)
        );
    }

    #[test]
    fn what_was_told_together_stands_together() {
        let text = table(&usual(), STYLES[0]);
        assert!(text.contains("kernel + devices"), "{text}");
        assert!(text.contains("90.0 %"), "{text}");
        assert!(text.is_ascii(), "{text}");
    }
}
