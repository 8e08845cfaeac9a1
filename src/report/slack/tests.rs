//! Does a message say what is wrong, and can no text of anybody else's change what it means?

use chrono::TimeDelta;
use proptest::prelude::*;

use super::*;
use crate::report::fixture_alerts::{
    Night, could_not_check, dead, fail, far_too_much, hostile_night, ok, recovered, subject as of, tested,
};
use crate::report::golden;
use crate::report::notice::died;
use crate::verdict::telling::{Telling, Told, Wish, tell};

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap())
}

/// Slack's limits, from its reference and from what is known to be refused. Characters are counted as UTF-16,
/// which gives more than any other way of counting them but bytes.
fn assert_within_limits(body: &Value) {
    let length = |value: &Value| value.as_str().unwrap().encode_utf16().count();
    let text = length(&body["text"]);
    assert!((1..=3000).contains(&text), "text of {text}");
    let mut all = text;
    let blocks = body["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    assert!(blocks.len() <= 10, "{} blocks", blocks.len());
    for block in blocks {
        let length = length(&block["text"]["text"]);
        let most = if block["type"] == "header" { 150 } else { 3000 };
        assert!((1..=most).contains(&length), "{}: {length}", block["type"]);
        all += length;
    }
    for attachment in body["attachments"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let text = attachment["text"].as_str().unwrap();
        assert!(length(&attachment["text"]) < 700 && text.lines().count() < 5, "Slack folds it");
        all += length(&attachment["text"]) + length(&attachment["fallback"]);
    }
    assert!(all <= 10_000, "{all} characters");
}

/// Nothing pings and no link is there but those of runbooks; fences and backticks are closed wherever Slack
/// would see them: in `plain_text` and the fallback of an attachment a backtick is a backtick.
fn assert_harmless(body: &Value) {
    fn strings<'a>(value: &'a Value, is_format: bool, found: &mut Vec<(bool, &'a str)>) {
        match value {
            Value::String(text) => found.push((is_format, text)),
            Value::Array(values) => values.iter().for_each(|value| strings(value, is_format, found)),
            Value::Object(values) => {
                let is_format = is_format && values.get("type").is_none_or(|kind| kind != "plain_text");
                values.iter().for_each(|(key, value)| strings(value, is_format && key != "fallback", found));
            }
            _ => {}
        }
    }
    let mut found = vec![];
    strings(body, true, &mut found);
    assert!(found.iter().any(|(is_format, _)| *is_format), "{body}");
    for (is_format, text) in found {
        let without_links = text.replace("<https://wiki.example/plms/lane_overrides|Runbook>", "");
        assert!(!without_links.contains(['<', '>']), "{text}");
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
        if !is_format {
            continue;
        }
        assert!(text.matches("```").count() % 2 == 0, "an open fence: {text}");
        for (n, outside) in text.split("```").enumerate() {
            assert!(n % 2 == 1 || outside.matches('`').count() % 2 == 0, "an open backtick: {text}");
        }
    }
}

fn check(night: &Night) -> Value {
    let body = payload(&night.message());
    let least = minimal(&night.message());
    for body in [&body, &least] {
        assert_within_limits(body);
        assert_harmless(body);
    }
    assert_eq!(least.as_object().unwrap().len(), 1, "text, and nothing that can be refused");
    body
}

#[test]
fn every_kind_of_message_reads_as_agreed() {
    let three_hours = TimeDelta::minutes(187);
    let nights = [
        ("ok", ok()),
        ("fail", fail()),
        ("recovered", recovered()),
        ("could_not_check", could_not_check()),
        ("died", dead()),
        ("late", fail().late(three_hours)),
        ("test", tested()),
        ("hostile", hostile_night()),
        ("5000", far_too_much()),
    ];
    for (name, night) in &nights {
        golden::compare(&format!("slack_{name}.json"), &pretty(&check(night)));
    }
    golden::compare("slack_minimal.json", &pretty(&minimal(&fail().late(three_hours).message())));
    golden::compare("slack_minimal_hostile.json", &pretty(&minimal(&hostile_night().message())));
}

#[test]
fn the_bar_has_the_colour_of_the_verdict() {
    let colours = [ok(), recovered(), could_not_check(), fail(), dead()]
        .map(|night| payload(&night.message())["attachments"][0]["color"].as_str().unwrap().to_owned());
    assert_eq!(colours, ["#2eb886", "#2eb886", "#daa038", "#a30200", "#a30200"]);
}

#[test]
fn a_clean_run_is_not_green_while_something_open_was_not_looked_at() {
    let mut night = ok();
    night.telling.turns.push((Topic::Invariant("lane_overrides".into()), Turn::Unseen));
    let body = check(&night);
    assert_eq!(body["attachments"][0]["color"], "#daa038");
    assert_eq!(body["blocks"][2]["text"]["text"], "*Still open, not looked at:* `lane_overrides`");
}

#[test]
fn only_an_address_of_the_web_becomes_a_link() {
    let table = [
        ("https://wiki.example/a?b=1&c=2#d", Some("<https://wiki.example/a?b=1&amp;c=2#d|Runbook>")),
        ("http://[::1]:8080/x", Some("<http://[::1]:8080/x|Runbook>")),
        ("javascript:alert(1)", None),
        ("ftp://wiki.example", None),
        ("https://", None),
        ("https:// wiki.example", None),
        ("https://wiki.example/a b", None),
        ("https://wiki.example/|Pay now", None),
        ("https://wiki.example/><!channel>", None),
        ("https://wiki.example/ü", None),
        ("see https://wiki.example", None),
    ];
    for (runbook, want) in table {
        assert_eq!(link(runbook).as_deref(), want, "{runbook}");
    }
    assert_eq!(link(&format!("https://wiki.example/{}", "a".repeat(300))), None);
    assert_eq!(link(&format!("https://wiki.example/{}", "&".repeat(100))), None);
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "(?s)[<>&`*_~:@#!|a-z\n\r\\u{202e}漢🔴 ]{0,80}",
        "(<!channel>|```|<https://evil.example\\|x>|&lt;|🔴|\n){0,2000}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn no_text_in_any_place_breaks_a_limit_or_the_format(texts in proptest::collection::vec(any_text(), 12), age in 0_i64..9_000_000) {
        let mut night = fail();
        let notice = &mut night.notice;
        let [env, db_path, host, id, sentence, log, title, error, runbook, owner, cell, reason] =
            <[String; 12]>::try_from(texts).unwrap();
        (notice.env, notice.db_path, notice.host) = (env, db_path, host);
        (notice.invocation_id, notice.sentence, notice.log) = (id.clone(), sentence, Some(log));
        for said in &mut notice.findings {
            said.sentence.clone_from(&error);
        }
        for (n, matter) in notice.matters.iter_mut().enumerate() {
            matter.id = format!("{n}{id}");
            matter.title.clone_from(&title);
            matter.errors = vec![error.clone(); 5];
            matter.runbook = Some(runbook.clone());
            matter.owner = Some(owner.clone());
            for row in &mut matter.rows {
                row.cells.push((cell.clone(), cell.clone()));
                row.reason = Some(reason.clone());
            }
        }
        night.telling = tell(Wish::Always, &Told::default(), &night.notice).unwrap();
        check(&night.late(TimeDelta::seconds(age)));
        let dead = died(&of(), &reason, "2025-11-06T07:00:09Z".parse().unwrap());
        let turns = vec![(Topic::Died, Turn::New), (Topic::Invariant(id), Turn::Unseen), (Topic::Invariant(cell), Turn::Recovered)];
        check(&Night { notice: dead, telling: Telling { word: Word::CouldNotCheck, turns }, age: TimeDelta::zero() });
    }
}
