//! Conditions: what is read, what holds, what is refused.

use proptest::prelude::*;

use super::*;
use crate::latency::source::fake;

fn outcome(text: &str) -> Outcome {
    FailIf::parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .evaluate(&fake::snapshot())
}

fn holds(text: &str) -> bool {
    matches!(outcome(text), Outcome::Holds(_))
}

#[test]
fn a_condition_that_holds_names_the_cgroup_and_its_value() {
    let Outcome::Holds(line) = outcome("share(other,/shop/api)>50%") else {
        panic!("does not hold")
    };
    assert_eq!(
        line,
        "--fail-if 'share(other,/shop/api)>50%' holds: /shop/api has 91.00%"
    );
    let Outcome::Holds(line) = outcome("count(wait) > 10") else {
        panic!("does not hold")
    };
    assert_eq!(
        line,
        "--fail-if 'count(wait) > 10' holds: /shop/api has 500; so have 2 more cgroups"
    );
}

#[test]
fn each_statistic_is_compared() {
    // Waits of /shop/api: 500 of 10 ms, 9.1 ms of it behind others; 212 ms in progress, 210 ms behind others.
    for (text, expected) in [
        ("max(wait,/shop/api)>211ms", true),
        ("max(other,/shop/api)>210ms", false),
        ("max(other,/shop/api)>=210ms", true),
        ("mean(other,/shop/api)>9.09ms", true),
        ("mean(other,/shop/api)>9.1ms", false),
        ("mean(other,/shop/api)<=9.1ms", true),
        ("sum(wait,/shop/api)>=5s", true),
        ("sum(wait,/shop/api)>5s", false),
        ("count(wait,/shop/api)<500", false),
        ("p50(wait,/shop/api)<=10ms", true),
        ("p99.9(other,/shop/api)>5ms", true),
        ("share(wait,/shop/api)>61%", true),
        ("share(wait,/shop/api)>62%", false),
        ("share(unattributed)>0%", false),
        ("p99(block)>1ns", false),
    ] {
        assert_eq!(holds(text), expected, "{text}: {:?}", outcome(text));
    }
}

#[test]
fn a_glob_that_means_no_cgroup_is_not_a_pass() {
    let Outcome::NoCgroup(line) = outcome("p99(other,/shop/ap)>5ms") else {
        panic!("not reported")
    };
    assert!(line.contains("no cgroup that ran or waited matches /shop/ap"), "{line}");
}

#[test]
fn a_limit_between_bounds_is_made_a_bound_or_said_to_be_unsure() {
    let above = FailIf::parse("p99(other,/shop/api)>9ms").expect("valid");
    let at_least = FailIf::parse("p99(other,/shop/api)>=9.2ms").expect("valid");
    let bounds = bounds_with_limits(&[above.clone(), at_least]);
    assert!(bounds.as_slice().contains(&9_000_000) && bounds.as_slice().contains(&9_199_999));
    let Outcome::Holds(line) = above.evaluate(&fake::snapshot()) else {
        panic!("does not hold")
    };
    assert!(
        line.contains("9.10ms at most (above 8.38ms; add the limit to --bounds to know)"),
        "{line}"
    );
}

#[test]
fn a_bad_condition_is_refused_with_what_to_write() {
    for (text, says) in [
        ("", "STAT(PART,GLOB)"),
        ("p99", "STAT(PART,GLOB)"),
        ("p99(other", "STAT(PART,GLOB)"),
        ("p99(other)", "STAT(PART,GLOB)"),
        ("p99(other)=5ms", "STAT(PART,GLOB)"),
        ("p99(other)>5", "write 5us, 5ms or 5s"),
        ("p99(others)>5ms", "is not a part"),
        ("p101(other)>5ms", "is not a statistic"),
        ("p0(other)>5ms", "is not a statistic"),
        ("p(other)>5ms", "is not a statistic"),
        ("p99.99999(other)>5ms", "is not a statistic"),
        ("avg(other)>5ms", "is not a statistic"),
        ("share(other)>5ms", "such as 20%"),
        ("share(on)>5%", "share is of waiting time"),
        ("count(wait)>5ms", "whole number"),
        ("p99(unattributed)>5ms", "only summed"),
        ("p99(other,/a[)>5ms", "never closed"),
        ("p99(other,)>5ms", "empty cgroup glob"),
    ] {
        let error = FailIf::parse(text).expect_err(text);
        assert!(error.contains(says) && !error.contains('\n'), "{text}: {error}");
    }
}

#[test]
fn a_glob_may_hold_parentheses() {
    assert!(matches!(outcome("p99(other,(rest))>5ms"), Outcome::NoCgroup(_)));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "\\PC*") {
        let _ = FailIf::parse(&text);
    }

    #[test]
    fn nearly_right_conditions_do_not_panic(text in "(p[0-9.]{0,6}|max|share|count)\\(?(wait|other|on)?,?[/a*\\[]{0,4}\\)? ?[<>=]{0,2} ?[0-9.]{0,8}(ms|s|%)?") {
        if let Ok(condition) = FailIf::parse(&text) {
            let _ = condition.evaluate(&fake::snapshot());
            let _ = bounds_with_limits(&[condition]);
        }
    }
}
