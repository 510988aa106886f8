//! What the indexes of this machine offer of some projects, what the newest wheels say of
//! themselves, and the wheels: `cargo run --example index -- DIRECTORY PROJECT...`

use std::path::Path;
use std::time::Instant;

use venv_sim::index::{Inputs, variables_of_process};
use venv_sim::{Cache, Catalogue, Index, IndexFlags, IndexSettings, Kind, Name, Offer};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("no directory")?;
    let projects: Vec<Name> = arguments
        .map(|project| project.parse())
        .collect::<Result<_, _>>()?;

    let python = venv_sim::discover(None)?;
    let variables = variables_of_process();
    let inputs = Inputs {
        environment: None,
        stdlib: Some(&python.stdlib),
        variables: &variables,
        command: "download",
        root: Path::new("/"),
    };
    let settings = IndexSettings::of(&inputs, &IndexFlags::default())?;
    print!("{}", settings.explanation());
    let index = Index::new(settings, &Cache::of_user());
    index.guess(newest);

    let start = Instant::now();
    index.expect(&projects);
    let mut chosen = Vec::new();
    for project in &projects {
        let offers = index.offers(project)?;
        println!("{project}: {} files, {:?}", offers.len(), start.elapsed());
        let Some(offer) = newest(&offers) else {
            continue;
        };
        let metadata = index.metadata(&offer)?;
        let needs = metadata.requires.len();
        println!(
            "  {} needs {needs} others, {:?}",
            offer.file_name,
            start.elapsed()
        );
        chosen.push(offer);
    }
    for path in index.fetch_all(&chosen, Path::new(&directory), &|_, _| {})? {
        println!("{}, {:?}", path.display(), start.elapsed());
    }
    Ok(())
}

fn newest(offers: &[Offer]) -> Option<Offer> {
    let wheels = offers.iter().filter(|offer| {
        matches!(offer.kind, Kind::Wheel(_))
            && offer.yanked.is_none()
            && !offer.version().any_prerelease()
    });
    wheels.max_by_key(|offer| offer.version().clone()).cloned()
}
