//! A Dockerfile: read, printed, and followed as far as it goes without building.
#![no_main]

use isolab_engine::dockerfile::ignore::Ignore;
use isolab_engine::dockerfile::{Checks, Given, Globals, Graph, Instruction, Scope, Trigger, parse};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let Ok(file) = parse(text) else { return };
    let escape = file.directives.escape;
    for step in file.stages.iter().flat_map(|stage| &stage.steps) {
        let printed = step.instruction.to_text(escape);
        let whole = format!("# escape={}\nFROM scratch\n{printed}\n", escape.char());
        let again = parse(whole.as_bytes()).expect("what was printed is read");
        assert_eq!(again.stages[0].steps[0].instruction, step.instruction, "{printed}");
        if let Instruction::Onbuild(trigger) = &step.instruction {
            // It is read without the file's escape character, so it may say something else.
            let _ = Trigger::parse(trigger.text());
        }
    }
    let Ok(globals) = Globals::new(&file, &Given::nothing()) else { return };
    for stage in &file.stages {
        let mut scope = Scope::of_image(&globals, &["A=a b".to_owned()]);
        for step in &stage.steps {
            for template in step.instruction.templates() {
                let _ = template.expand_to_words(&|name| scope.lookup(name), escape);
            }
            match &step.instruction {
                Instruction::Env(pairs) => drop(scope.set(pairs)),
                Instruction::Arg(arguments) => drop(scope.declare(arguments)),
                Instruction::Run(run) => run.mounts.iter().for_each(|mount| {
                    let _ = mount.resolve(&|name| scope.lookup(name), escape);
                }),
                _ => {}
            }
        }
    }
    let Ok(graph) = Graph::new(&file, &globals) else { return };
    let target = file.stages.len() - 1;
    let grouped = graph.groups(target).concat().len();
    assert_eq!(grouped, graph.order(target).len());
    let checks = Checks {
        file: &file,
        globals: &globals,
        graph: &graph,
        target,
        ignore: &Ignore::default(),
        environment: &|_| Some(Vec::new()),
    };
    let _ = checks.warnings();
});
