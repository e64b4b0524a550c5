//! The published schemas (JSON Schema 2020-12) of what programs read. Written by hand, and held against what is written by the
//! tests.

/// Of the report: `--report json`, and `results.json` of a run directory.
pub const REPORT: &str = include_str!("../../schema/report.json");
/// Of each line of `--report ndjson`.
pub const EVENTS: &str = include_str!("../../schema/events.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use boon::{Compiler, SchemaIndex, Schemas};
    use serde_json::Value;

    use super::*;
    use crate::clause::accounts::Resets;
    use crate::clause::cause::{Cause, CauseKind};
    use crate::clause::result::{PartShown, RunResult, RunVerdict, Verdict};
    use crate::report::human::sample;
    use crate::report::{events, json};

    fn value(text: &str) -> Value {
        serde_json::from_str(text).expect("JSON")
    }

    struct Schema(Schemas, SchemaIndex);

    impl Schema {
        fn of(text: &str) -> Self {
            let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
            compiler.add_resource("schema.json", value(text)).expect("a resource");
            let index = compiler.compile("schema.json", &mut schemas).expect("a schema");
            Self(schemas, index)
        }

        /// What is wrong with it, if anything.
        fn faults(&self, instance: &Value) -> Option<String> {
            self.0.validate(instance, self.1).err().map(|error| format!("{error:#}"))
        }
    }

    /// One that has all that is left out where there is nothing.
    fn full() -> RunResult {
        let mut run = sample::failing();
        run.stale = sample::stale().stale;
        run.stale[0].seen = Some("3 of 41 runs".parse().expect("how rare"));
        run.stale[0].versions = Some(">= 1.2".parse().expect("versions"));
        run.problems = sample::invalid().problems;
        run.clauses[0].forgiven = 1;
        run.clauses[0].tested_in = vec!["zero-traffic".to_owned()];
        run.clauses[0].undecided_in = vec!["idle-silent".to_owned()];
        run.restarts[0].resets = Some(Resets::default());
        run.restarts[0].resets_counted = Some(0);
        run.shard = Some(PartShown { number: 2, of: 5, elsewhere: vec!["drain.exits".to_owned()] });
        let mut broken = run.clauses.iter_mut().flat_map(|clause| &mut clause.violations);
        let cause = Cause {
            kinds: vec![CauseKind::Refused],
            text: "nobody listened".to_owned(),
            evidence: Vec::new(),
        };
        broken.next().expect("a violation").cause = Some(cause);
        run
    }

    #[test]
    fn a_report_of_every_kind_is_as_its_schema_says() {
        let (mut runs, mut clauses, schema) = (Vec::new(), Vec::new(), Schema::of(REPORT));
        for (name, mut run) in sample::all() {
            if name == "hostile" {
                // A target has no hand in it.
                run.isolation = "net".to_owned();
            }
            let report = value(&json::json(&run).expect("JSON"));
            assert_eq!(schema.faults(&report), None, "{name}");
            runs.push(run.verdict);
            clauses.extend(run.clauses.iter().map(|clause| clause.verdict));
        }
        use RunVerdict as R;
        for verdict in [R::Pass, R::Fail, R::Inconclusive, R::Error, R::Invalid] {
            assert!(runs.contains(&verdict), "no sample is {verdict:?}");
        }
        use Verdict as V;
        for verdict in
            [V::Pass, V::Fail, V::Known, V::Inconclusive, V::NoEvidence, V::Unsupported, V::Planned, V::Error]
        {
            assert!(clauses.contains(&verdict), "no clause of a sample is {verdict:?}");
        }
    }

    #[test]
    fn the_last_lines_of_every_kind_of_run_are_as_their_schema_says() {
        let schema = Schema::of(EVENTS);
        for (name, run) in sample::all() {
            let lines = events::clauses(&run).chain([events::over(&run, 1)]);
            for line in lines.chain([events::Line::RunFailed { status: 70, message: "no room" }]) {
                let line = events::render(&line).expect("JSON");
                assert_eq!(schema.faults(&value(&line)), None, "{name}: {line}");
            }
        }
    }

    /// Every object in it, with where it stands.
    fn objects(schema: &Value, place: &str, found: &mut Vec<(String, Value)>) {
        match schema {
            Value::Object(map) => {
                if map.get("type").is_some_and(|kind| kind == "object") {
                    found.push((place.to_owned(), schema.clone()));
                }
                map.iter().for_each(|(key, value)| objects(value, &format!("{place}/{key}"), found));
            }
            Value::Array(list) => list.iter().for_each(|one| objects(one, place, found)),
            _ => {}
        }
    }

    #[test]
    fn the_schemas_are_strict_and_describe_every_key() {
        for text in [REPORT, EVENTS] {
            let mut found = Vec::new();
            objects(&value(text), "", &mut found);
            assert!(found.len() > 5);
            for (place, object) in found {
                assert!(object.get("additionalProperties").is_some(), "{place} takes any key");
                let described = |property: &Value| {
                    ["description", "$ref", "const"].iter().any(|key| property.get(key).is_some())
                };
                let keys = object["properties"].as_object().into_iter().flatten();
                for (key, property) in keys {
                    assert!(described(property), "{place}/{key} is not described");
                    let text = property.to_string();
                    let unit = [("_us", "icrosecond"), ("_ms", "illisecond")];
                    let unit = unit.into_iter().find(|(end, _)| key.ends_with(end));
                    let says = unit.is_none_or(|(_, unit)| text.contains(unit) || text.contains("interval"));
                    assert!(says, "{place}/{key} does not say its unit");
                }
            }
        }
    }

    /// The names of all properties that a schema describes, or of all that a report has.
    fn keys(value: &Value, of_schema: bool, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                let named =
                    if of_schema { map.get("properties").and_then(Value::as_object) } else { Some(map) };
                found.extend(named.into_iter().flat_map(|map| map.keys().cloned()));
                map.values().for_each(|one| keys(one, of_schema, found));
            }
            Value::Array(list) => list.iter().for_each(|one| keys(one, of_schema, found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_of_the_schema_is_one_that_a_report_has() {
        let report = value(&json::json(&full()).expect("JSON"));
        assert_eq!(Schema::of(REPORT).faults(&report), None);
        let (mut described, mut there) = (BTreeSet::new(), BTreeSet::new());
        keys(&value(REPORT), true, &mut described);
        keys(&report, false, &mut there);
        assert_eq!(described.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn a_key_that_is_not_in_the_schema_is_a_fault() {
        let mut report = value(&json::json(&sample::failing()).expect("JSON"));
        report["clauses"][0]["added"] = 1.into();
        assert!(Schema::of(REPORT).faults(&report).is_some_and(|fault| fault.contains("added")));
    }

    #[test]
    fn what_both_schemas_describe_they_describe_alike_and_their_numbers_are_those_of_the_code() {
        let (report, lines) = (value(REPORT), value(EVENTS));
        for name in ["level", "verdict", "run_verdict", "profile", "problem", "violation", "cause"] {
            assert_eq!(report["$defs"][name], lines["$defs"][name], "{name}");
        }
        assert_eq!(report["properties"]["schema"]["const"], crate::manifest::SCHEMA);
        assert_eq!(lines["$defs"]["run-begun"]["properties"]["schema"]["const"], events::SCHEMA);
    }
}
