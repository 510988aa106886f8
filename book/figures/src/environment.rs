//! `{{#environment FILE FIELD}}`: the machine that a report comes from.

use isolab::observation::Unit;
use isolab::report::Report;
use isolab::report::quantity::human;
use isolab::report::text::escaped;

use crate::Reports;
use crate::directive::Directive;
use crate::error::Problem;

/// The text for one field of the report's machine, or the day of its run.
///
/// # Errors
/// [`Problem`] if the report cannot be read or has no such field.
pub(crate) fn expand(directive: &Directive<'_>, reports: &mut Reports) -> Result<String, Problem> {
    directive.allow_options(&[])?;
    let [file, field] = directive.words[..] else {
        let why = "wanted are FILE FIELD".to_owned();
        return Err(Problem::Arguments { why });
    };
    let text = value(reports.get(file)?, field)?;
    Ok(escaped(&text))
}

fn value(report: &Report, field: &str) -> Result<String, Problem> {
    let environment = &report.environment;
    Ok(match field {
        "day" => report.created.chars().take_while(|c| *c != 'T').collect(),
        "runs" => report.settings.runs.to_string(),
        "seed" => report.settings.seed.to_string(),
        "isolab" => environment.isolab.clone(),
        "os" => environment.os.clone(),
        "kernel" => environment.kernel.clone(),
        "arch" => environment.arch.clone(),
        "cpu" => environment.cpu.clone(),
        "cpus" => environment.cpus.to_string(),
        "memory" => human(environment.memory_bytes as f64, Unit::Bytes),
        "cgroup" => environment.cgroup.clone(),
        "virtualization" => environment.virtualization.clone(),
        "filesystem" => environment.filesystem.clone(),
        "user" => if environment.root {
            "root"
        } else {
            "an ordinary user"
        }
        .to_owned(),
        tool => environment
            .tools
            .get(tool)
            .cloned()
            .ok_or_else(|| Problem::NoDatum {
                what: format!("`{tool}`"),
                why: format!(
                    "it is no field of the environment and none of the tools that took part ({})",
                    environment
                        .tools
                        .keys()
                        .cloned()
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            })?,
    })
}
