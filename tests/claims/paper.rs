//! Claims on paper of any width, with and without colours and UTF-8.

use isolab::claims::ledger::Ledger;
use isolab::claims::render::{self, Detail, Style};
use isolab::report::{table, text};
use proptest::prelude::*;

use crate::anything;

fn style(width: usize, colour: bool, unicode: bool) -> Style {
    Style {
        table: table::Style { width, colour },
        unicode,
    }
}

#[track_caller]
fn check(page: &str, style: Style) {
    for line in page.lines() {
        let bare = line.replace(['\u{1b}'], "");
        let bare = ["[1m", "[2m", "[31m", "[32m", "[33m", "[0m"]
            .iter()
            .fold(bare, |bare, code| {
                if style.table.colour {
                    bare.replace(code, "")
                } else {
                    bare
                }
            });
        assert!(
            text::columns(&bare) <= style.table.width,
            "too wide: {line}"
        );
        assert!(style.unicode || line.is_ascii(), "not ASCII: {line}");
        assert!(style.table.colour || !line.contains('\u{1b}'), "{line:?}");
    }
}

#[test]
fn list_and_explanations_fit_80_and_40_columns() {
    let ledger = Ledger::own();
    for width in [40, 80] {
        for (colour, unicode) in [(false, false), (false, true), (true, true)] {
            let style = style(width, colour, unicode);
            check(&render::list(&ledger, style), style);
            for claim in ledger.claims() {
                let page = render::explain(claim, None, style);
                assert!(page.contains(&claim.id));
                check(&page, style);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_fits_the_paper(
        record in anything::record(), width in 40..100usize, unicode in any::<bool>()
    ) {
        let style = style(width, false, unicode);
        for detail in [Detail::Numbers, Detail::Facts] {
            check(&render::verdicts(&record, detail, style), style);
        }
    }

    #[test]
    fn every_fact_is_shown_to_whoever_asks_for_it(record in anything::record()) {
        let style = style(80, false, true);
        let facts: usize = record.claims.iter().map(|claim| claim.findings.facts.len()).sum();
        let shown = |detail| {
            let page = render::verdicts(&record, detail, style);
            page.lines().filter(|line| line.starts_with("  fact  ")).count()
        };
        prop_assert_eq!(shown(Detail::Facts), facts);
        prop_assert_eq!(shown(Detail::Numbers), 0);
    }
}
