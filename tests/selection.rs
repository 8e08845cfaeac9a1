//! Which invariants does a run ask, and when is it a run of a part?
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::PathBuf;

use plms_invariants::invariants::{Catalogue, Choice, Source};

/// An operator's own invariant.
const MINE: &str = r#"/*---
id = "mine"
title = "Mine"
severity = "critical"
tags = ["night"]
key = ["id"]
---*/
SELECT id FROM t WHERE a = b;
"#;

fn catalogue() -> Catalogue {
    let mut catalogue = Catalogue::load(&[]).unwrap();
    catalogue.add(MINE, Source::File(PathBuf::from("x.sql"))).unwrap();
    catalogue
}

fn texts(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// Ids, strict, partial.
fn select(choice: &Choice) -> Result<(Vec<String>, bool, Option<String>), String> {
    let selection = catalogue().select(choice).map_err(|e| e.to_string())?;
    Ok((selection.invariants.into_iter().map(|i| i.id).collect(), selection.strict, selection.partial))
}

#[test]
fn without_a_flag_both_groups_and_every_operators_invariant_are_asked() {
    let (ids, strict, partial) = select(&Choice::default()).unwrap();
    assert_eq!((ids.len(), ids.last().map(String::as_str), strict, partial), (9, Some("mine"), true, None));
}

#[test]
fn the_standard_group_alone_is_a_part() {
    let (ids, strict, partial) = select(&Choice { standard_only: true, ..Choice::default() }).unwrap();
    let standard =
        ["passport_artifacts", "kpi_formulas", "baseline_sandbox", "calibration_sources", "lane_overrides"];
    assert_eq!((ids, strict, partial.as_deref()), (texts(&standard), false, Some("--standard")));
}

#[test]
fn only_skip_and_tag_make_a_part_that_says_so() {
    let only = Choice { only: texts(&["mine", "lane_overrides"]), ..Choice::default() };
    let (ids, _, partial) = select(&only).unwrap();
    assert_eq!(
        (ids, partial.as_deref()),
        (texts(&["lane_overrides", "mine"]), Some("--only mine --only lane_overrides"))
    );

    let skip = Choice { skip: texts(&["mine"]), ..Choice::default() };
    let (ids, _, partial) = select(&skip).unwrap();
    assert_eq!((ids.len(), partial.as_deref()), (8, Some("--skip mine")));

    let tag = Choice { tags: texts(&["night"]), ..Choice::default() };
    assert_eq!(select(&tag).unwrap(), (texts(&["mine"]), false, Some("--tag night".into())));
}

#[test]
fn the_configured_tags_are_the_whole_of_an_installation_and_a_flag_takes_their_place() {
    let configured = Choice { configured_tags: texts(&["strict", "night"]), ..Choice::default() };
    let ids = texts(&["calibration_pollution", "provider_snapshots", "strata_coverage", "mine"]);
    assert_eq!(select(&configured).unwrap(), (ids, false, None));
    let all = Choice { configured_tags: texts(&["strict", "standard"]), ..Choice::default() };
    assert!(select(&all).unwrap().1);
    let flag = Choice { tags: texts(&["night"]), ..configured };
    assert_eq!(select(&flag).unwrap().0, ["mine"]);
}

#[test]
fn an_unknown_id_or_tag_is_refused_and_the_nearest_is_named() {
    let near = "no invariant is named `lane_override`; did you mean `lane_overrides`?";
    for choice in [
        Choice { only: texts(&["lane_override"]), ..Choice::default() },
        Choice { skip: texts(&["lane_override"]), ..Choice::default() },
    ] {
        assert_eq!(select(&choice).unwrap_err(), near);
    }
    let far = Choice { only: texts(&["zzz"]), ..Choice::default() };
    assert_eq!(select(&far).unwrap_err(), "no invariant is named `zzz`; `plms-invariants list` shows them");
    let tag = Choice { tags: texts(&["nigth"]), ..Choice::default() };
    assert_eq!(select(&tag).unwrap_err(), "--tag nigth: no invariant has this tag; did you mean `night`?");
    let tag = Choice { configured_tags: texts(&["stric"]), ..Choice::default() };
    assert_eq!(
        select(&tag).unwrap_err(),
        "INVARIANT_TAGS stric: no invariant has this tag; did you mean `strict`?"
    );
}

#[test]
fn nothing_selected_is_refused() {
    let nothing = Choice { tags: texts(&["night"]), skip: texts(&["mine"]), ..Choice::default() };
    assert_eq!(select(&nothing).unwrap_err(), "no invariant is selected: nothing would be checked");
    let contradiction =
        Choice { only: texts(&["mine", "lane_overrides"]), skip: texts(&["mine"]), ..Choice::default() };
    assert_eq!(select(&contradiction).unwrap_err(), "--only mine: another flag leaves this invariant out");
}
