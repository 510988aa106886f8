//! What `hooks` must and must not say.

use super::invalid;
use crate::error::Result;
use crate::spec::{Hooks, Spec};

pub(super) fn check(spec: &Spec) -> Result<()> {
    let points = spec.hooks.iter().flat_map(Hooks::by_point);
    let each = points.flat_map(|(point, hooks)| hooks.iter().enumerate().map(move |h| (point, h)));
    for (point, (index, hook)) in each {
        let field = |name| format!("hooks.{point}[{index}].{name}");
        if !hook.path.is_absolute() {
            let reason = format!("`{}` is not absolute", hook.path.display());
            return Err(invalid(&field("path"), &reason, "start it with `/`"));
        }
        if let Some(timeout) = hook.timeout.filter(|&seconds| seconds <= 0) {
            let reason = format!("{timeout} is not positive");
            let remedy = "give whole seconds from 1 on, or leave it out to wait for ever";
            return Err(invalid(&field("timeout"), &reason, remedy));
        }
    }
    Ok(())
}
